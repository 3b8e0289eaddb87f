"""Frames per second of decoding a video to RGB by torchcodec, and the sum of all values of the frames.

usage: torchcodec_decode.py VIDEO
"""

import json
import sys
import time

from torchcodec.decoders import VideoDecoder

began = time.perf_counter()
count = sum(1 for _ in VideoDecoder(sys.argv[1], dimension_order="NHWC"))
seconds = time.perf_counter() - began
total = sum(int(frame.sum()) for frame in VideoDecoder(sys.argv[1], dimension_order="NHWC"))
print(json.dumps({"frames": count, "seconds": seconds, "sum": total}))
