"""Serves TensorZero 2026.6's OpenAI routes on a ClickHouse database: prints `url ‹base›` on stdout among its log, lives until stdin closes.
With ids as further arguments it prints what TensorZero reads of these inferences instead, as `read ‹JSON›`."""
import json
import sys
import warnings

warnings.filterwarnings("ignore")

config, url, ids = sys.argv[1], sys.argv[2], sys.argv[3:]
if ids:
    from tensorzero import TensorZeroGateway

    with TensorZeroGateway.build_embedded(config_file=config, clickhouse_url=url) as gateway:
        found = gateway.get_inferences(ids=ids)
        print("read " + json.dumps([{"id": str(i.inference_id), "type": type(i).__name__, "variant": i.variant_name, "tags": dict(i.tags)}
                                    for i in found.inferences]), flush=True)
else:
    from openai import OpenAI
    from tensorzero import patch_openai_client

    client = patch_openai_client(OpenAI(api_key="x"), config_file=config, clickhouse_url=url, async_setup=False)
    print("url " + str(client.base_url), flush=True)
    sys.stdin.read()
