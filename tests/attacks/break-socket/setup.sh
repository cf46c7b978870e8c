mkdir -p more
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("more/door.py")'
