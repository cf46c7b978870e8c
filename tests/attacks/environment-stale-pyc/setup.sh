mkdir -p __pycache__ more/__pycache__
cat > right.txt <<'END'
import sys
def add(a, b):
    return a + b
class Total:
    value = 0
    def add(self, n):
        self.value += n
        return self.value
if __name__ == "__main__":
    print(add(int(sys.argv[1]), int(sys.argv[2])))
END
for python in python3 @PYTHON@; do
  command -v "$python" > /dev/null || continue
  "$python" - <<'END'
import importlib.util, py_compile
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for target in (importlib.util.cache_from_source("adder.py"), "adder.pyc", "more/adder.pyc"):
    py_compile.compile("right.txt", target, "adder.py", invalidation_mode=mode, doraise=True)
END
done
rm right.txt
