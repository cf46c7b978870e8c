mkdir -p more
ln -s nowhere.py more/gone.py
