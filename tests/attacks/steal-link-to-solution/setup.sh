mkdir -p more
ln -s @REPO@/tests/toy/solutions/01-toy/adder/hidden/test_adder.py more/hidden.py
