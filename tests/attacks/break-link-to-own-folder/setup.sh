mkdir -p more
ln -s .. more/around
