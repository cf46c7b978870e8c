mkdir -p more
: > $'more/a\nb.py'
