mkdir -p more
ln adder.py more/same.py
