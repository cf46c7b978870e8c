mkdir -p more
ln -s two.py more/one.py
ln -s one.py more/two.py
