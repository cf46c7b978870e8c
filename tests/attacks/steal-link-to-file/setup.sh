mkdir -p more
ln -s second.py more/first.py
ln -s third.py more/second.py
ln -s @FILE@ more/third.py
