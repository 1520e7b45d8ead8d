"""The clients of /v1/embeddings, behind one word, and the types of provider that have embeddings."""
import httpx
import openai
from langchain_openai import OpenAIEmbeddings
from node_driver import NodeError, Process

TYPES = {"openai": 'type = "openai"\nmodel_name = "mock-embed"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n',
         "openrouter": 'type = "openrouter"\nmodel_name = "mock-embed"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n',
         "azure": 'type = "azure"\ndeployment_id = "mock-embed"\nendpoint = "{url}"\napi_key_location = "env::MOCK_KEY"\n'}


class Python:
    name = "openai (Python)"
    error = openai.APIStatusError

    def __init__(self, url):
        self.client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=20)

    def embed(self, model, texts, **more):
        got = self.client.embeddings.create(model=model, input=texts, **more)
        return [d.embedding for d in got.data], got.usage.prompt_tokens

    def close(self):
        self.client.close()


class LangChain:
    name, error = "LangChain (Python)", openai.APIStatusError

    def __init__(self, url):
        self.url, self.http = url, httpx.Client(timeout=20)

    def embed(self, model, texts, **more):
        # (without check_embedding_ctx_length it sends texts; with it, tokens of a tokenizer that it would fetch)
        got = OpenAIEmbeddings(model=model, base_url=self.url + "/v1", api_key="none", max_retries=0, http_client=self.http,
                               check_embedding_ctx_length=False, **more)
        return got.embed_documents(texts), None  # it tells no usage

    def close(self):
        self.http.close()


class Node:
    error = NodeError

    def __init__(self, url):
        self.at = {"client": self.package, "surface": "embeddings", "url": url, "key": "none"}
        Process.take()

    def embed(self, model, texts, **more):
        got = Process.step(op="embed", **self.at, fields={"model": model, "input": texts, **more})
        return got["vectors"], got["tokens"]

    def close(self):
        Process.leave()


class NodeOpenAI(Node):
    name, package = "openai (Node)", "openai"


class AiSdk(Node):
    name, package = "Vercel AI SDK", "ai"


CLIENTS = (Python, NodeOpenAI, AiSdk, LangChain)
