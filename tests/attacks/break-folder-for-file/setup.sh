rm adder.py
mkdir adder.py
: > adder.py/__init__.py
