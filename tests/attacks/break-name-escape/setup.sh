mkdir -p more
: > $'more/\e[2J\e[H.py'
