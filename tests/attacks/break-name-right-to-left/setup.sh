mkdir -p more
mkfifo $'more/\u202eyp.rebmun.py'
