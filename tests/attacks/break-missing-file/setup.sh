rm adder.py
