"""Every client of /v1/embeddings over every type of provider that has embeddings. docs/pairs.md has the table."""
import pytest
from embedders import CLIENTS, TYPES

from lib import raw
from lib.model import Model
from lib.signet import Signet, config
from lib.wires import ENV

TEXTS = ["Hello there", "Grüße \U0001f600", "a third text of some length"]


@pytest.fixture(scope="module")
def house():
    models = {kind: Model() for kind in TYPES}
    tables = "".join(f"[embedding_models.{kind}]\nrouting = [\"p\"]\n[embedding_models.{kind}.providers.p]\n" + TYPES[kind].format(url=m.url) for kind, m in models.items())
    with Signet(config(tables), env=ENV) as signet:
        clients = {c: c(signet.url) for c in CLIENTS}
        yield signet, clients, models
        for c in clients.values():
            c.close()
        signet.assert_idle()
    for m in models.values():
        m.mock.close()


def near(some, others):
    return len(some) == len(others) and all(abs(a - b) < 1e-6 for one, other in zip(some, others, strict=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name.replace(" ", "-"))
def test_pairs_of_embeddings(house, client, kind):
    """Several texts, in order, as one sees them; fewer dimensions; the count of tokens; an unknown model."""
    signet, clients, models = house
    model, ask = models[kind], clients[client].embed
    model.reset()
    expected = [d["embedding"] for d in raw.post(signet.port, "/v1/embeddings", {"model": kind, "input": TEXTS}).json["data"]]
    vectors, tokens = ask(kind, TEXTS)
    assert near(vectors, expected) and len(vectors) == len(TEXTS) and len(vectors[0]) == 8
    assert tokens in (None, sum(len(t.split()) for t in TEXTS))
    short, _ = ask(kind, TEXTS[:1], dimensions=4)
    assert len(short) == 1 and len(short[0]) == 4
    with pytest.raises(client.error) as failed:
        ask("no-such-model", TEXTS[:1])
    assert getattr(failed.value, "status_code", None) == 404 or failed.value.status == 404
    assert not model.complaints, model.complaints[:3]
