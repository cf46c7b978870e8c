mkdir -p more
truncate -s 100G more/large.py
