mkdir -p more
: > $'more/\xff\xfe.py'
