mkdir -p more
: > more/con.py
: > more/LPT1.py
