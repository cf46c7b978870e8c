import socket
import struct

from more.seek import breach, look, nothing, seen

names = [name for _, name in socket.if_nameindex()]
seen.append(f"interfaces {names}")
if any(name.startswith(("eth", "en", "wl", "docker", "veth", "br")) for name in names):
    breach(f"an interface that leads somewhere: {names}")
for protocol in (0, 4, 9, 12, 15, 16):  # route, inet_diag, audit, netfilter, uevents, generic
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as connection:
            connection.bind((0, 0))
            connection.settimeout(0.1)
            if protocol == 0:
                for kind in (18, 22, 26):  # dumps of links, addresses, routes
                    connection.send(struct.pack("=IHHII", 32, kind, 0x301, 1, 0) + bytes(16))
                    look(f"netlink {kind}", connection.recv(65536))
                # a new dummy link: only who may administrate the network gets one
                name = struct.pack("=HH", 12, 3) + b"kata0\0\0\0"
                kindly = struct.pack("=HH", 16, 18) + struct.pack("=HH", 10, 1) + b"dummy\0\0\0"
                body = bytes(16) + name + kindly
                connection.send(struct.pack("=IHHII", 16 + len(body), 16, 0x605, 2, 0) + body)
                connection.recv(65536)
                if "kata0" in [name for _, name in socket.if_nameindex()]:
                    breach("a link of its own making")
            else:
                seen.append(f"netlink {protocol} opened")
    except OSError as error:
        seen.append(f"netlink {protocol} {error}")

nothing()
