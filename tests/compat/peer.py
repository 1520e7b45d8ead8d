"""Serves TensorZero 2026.6's OpenAI routes: prints `url ‹base›` on stdout among its log, lives until stdin closes."""
import sys
import warnings

warnings.filterwarnings("ignore")

from openai import OpenAI  # noqa: E402
from tensorzero import patch_openai_client  # noqa: E402

client = patch_openai_client(OpenAI(api_key="x"), config_file=sys.argv[1], async_setup=False)
print("url " + str(client.base_url), flush=True)
sys.stdin.read()
