mkdir -p more
mkfifo $'more/\u009b31mred\u0085.py'
