mkdir -p more
for n in 1 2 3 4 5 6; do truncate -s 2M more/part$n.py; done
