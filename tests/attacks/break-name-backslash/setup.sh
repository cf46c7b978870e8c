mkdir -p more
: > 'more/..\..\adder.py'
