mkdir -p more
mkfifo more/pipe.py
