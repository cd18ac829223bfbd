"""What stands in a recording's or the spool's records."""


def pieces_of(data):
    """What messages' records carry, without the words between: 6, 7 and 8 bytes of each 32."""
    text = bytearray(data)
    for shift in (0, 8, 16, 24):
        part = data[shift:]
        for at in range(0, len(part) - 31, 32):
            text += part[at + 8:at + 14] + part[at + 16:at + 23] + part[at + 24:at + 32]
    return bytes(text)
