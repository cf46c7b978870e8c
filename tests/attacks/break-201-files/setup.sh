mkdir -p more
for n in $(seq 201); do : > more/file$n.py; done
