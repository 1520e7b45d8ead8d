"""The tensorzero:: fields, extra_body and extra_headers, credentials."""
from cases_request import body
from compare import Case
from lib.mock import chat_answer, error, json_answer, sse, text_chunks

EPISODE = "0199c0de-1111-7222-8333-444455556666"
V4 = "11111111-2222-4333-8444-555555555555"


def f(name, value, **more):
    return {f"tensorzero::{name}": value, **more}


def case(name, field, value, up=(), model="m", **more):
    return Case(name, body(model=model, **f(field, value), **more), list(up))


def extra(name, *entries, model="m", **more):
    return case(name, "extra_body", list(entries), model=model, **more)


def headers(name, *entries, model="m", **more):
    return case(name, "extra_headers", list(entries), model=model, **more)


CASES = [
    # episodes, tags, dryrun, namespace, variants
    case("episode", "episode_id", EPISODE),
    case("episode-upper", "episode_id", EPISODE.upper()),
    case("episode-null", "episode_id", None),
    case("episode-v4", "episode_id", V4),
    case("episode-nil", "episode_id", "00000000-0000-0000-0000-000000000000"),
    case("episode-old", "episode_id", "016fbd8c-0000-7000-8000-000000000000"),
    case("episode-future", "episode_id", "01ffffff-ffff-7000-8000-000000000000"),
    case("episode-short", "episode_id", "0199c0de"),
    case("episode-empty", "episode_id", ""),
    case("episode-word", "episode_id", "not-a-uuid"),
    case("episode-number", "episode_id", 5),
    case("tags", "tags", {"a": "b", "c": "d"}),
    case("tags-empty", "tags", {}),
    case("tags-null", "tags", None),
    case("tags-number", "tags", {"a": 1}),
    case("tags-list", "tags", ["a"]),
    case("tags-reserved", "tags", {"tensorzero::x": "y"}),
    case("dryrun", "dryrun", True),
    case("dryrun-null", "dryrun", None),
    case("dryrun-string", "dryrun", "x"),
    case("namespace", "namespace", "n1"),
    case("namespace-empty", "namespace", ""),
    case("namespace-reserved", "namespace", "tensorzero::x"),
    case("namespace-number", "namespace", 5),
    case("variant-null", "variant_name", None),
    case("variant-number", "variant_name", 5),
    # cache: no backend here
    case("cache-off", "cache_options", {"enabled": "off"}),
    case("cache-on", "cache_options", {"enabled": "on"}),
    case("cache-read-only", "cache_options", {"enabled": "read_only", "max_age_s": 60}),
    case("cache-write-only", "cache_options", {"enabled": "write_only"}),
    case("cache-odd", "cache_options", {"enabled": "maybe"}),
    case("cache-empty", "cache_options", {}),
    case("cache-unknown-key", "cache_options", {"enabled": "off", "x": 1}),
    case("cache-null", "cache_options", None),
    case("cache-max-age-0", "cache_options", {"max_age_s": 0}),
    case("cache-max-age-negative", "cache_options", {"max_age_s": -1}),
    # params
    case("params", "params", {"chat_completion": {"temperature": 0.5, "max_tokens": 9}}, temperature=0.25, seed=3),
    case("params-stop", "params", {"chat_completion": {"stop_sequences": ["x"]}}, stop="y"),
    case("params-json-mode", "params", {"chat_completion": {"json_mode": "on"}}),
    case("params-thinking-budget", "params", {"chat_completion": {"thinking_budget_tokens": 9}}),
    case("params-effort", "params", {"chat_completion": {"reasoning_effort": "high", "service_tier": "flex", "verbosity": "low"}}),
    case("params-empty", "params", {}),
    case("params-null", "params", None),
    case("params-unknown", "params", {"chat_completion": {"x": 1}}),
    case("params-unknown-type", "params", {"dicl": {}}),
    case("params-wrong-type", "params", {"chat_completion": {"temperature": "x"}}),
    case("params-bad-json-mode", "params", {"chat_completion": {"json_mode": "x"}}),
    case("params-json-mode-tool", "params", {"chat_completion": {"json_mode": "tool"}}),
    # dynamic variants, provider tools
    case("dynamic-variant", "internal_dynamic_variant_config", {"type": "chat_completion", "model": "m"}),
    case("dynamic-variant-bad", "internal_dynamic_variant_config", {"type": "odd"}),
    case("provider-tools", "provider_tools", [{"tool": {"type": "web_search"}}]),
    case("provider-tools-scoped-away", "provider_tools", [{"scope": {"model_name": "other"}, "tool": {"type": "web_search"}}]),
    case("provider-tools-empty", "provider_tools", []),
    case("provider-tools-null", "provider_tools", None),
    case("provider-tools-bad", "provider_tools", [{"tol": 1}]),
    # include_*
    case("include-raw-response-string", "include_raw_response", "x"),
    case("include-raw-usage-null", "include_raw_usage", None),
    case("include-original-number", "include_original_response", 1),
    # extra_body
    extra("body-set", {"pointer": "/x", "value": {"z": 1, "a": [1, 2]}}),
    extra("body-set-replaces", {"pointer": "/model", "value": "other"}),
    extra("body-set-deep", {"pointer": "/a/b/c", "value": 1}),
    extra("body-set-in-array", {"pointer": "/messages/0/content", "value": "changed"}),
    extra("body-append", {"pointer": "/messages/-", "value": {"role": "user", "content": "more"}}),
    extra("body-escape", {"pointer": "/a~1b/~0c", "value": 1}),
    extra("body-null", {"pointer": "/x", "value": None}),
    Case("body-numbers", '{"model":"tensorzero::model_name::m","messages":[],"tensorzero::extra_body":[{"pointer":"/x","value":[0.5,1e-7,100,12345678901234567890]}]}'),
    extra("body-delete", {"pointer": "/model", "delete": True}),
    extra("body-delete-last", {"pointer": "/stream", "delete": True}),
    extra("body-delete-missing", {"pointer": "/nope", "delete": True}),
    extra("body-delete-false", {"pointer": "/model", "delete": False}),
    extra("body-order", {"pointer": "/x", "value": 1}, {"pointer": "/x", "value": 2}, {"pointer": "/y", "value": 3}, {"pointer": "/x", "delete": True}),
    extra("body-variant", {"variant_name": "m", "pointer": "/x", "value": 1}),
    extra("body-variant-other", {"variant_name": "other", "pointer": "/x", "value": 1}),
    extra("body-model", {"model_name": "m", "pointer": "/x", "value": 1}),
    extra("body-model-other", {"model_name": "keyed", "pointer": "/x", "value": 1}),
    extra("body-model-unknown", {"model_name": "nope", "pointer": "/x", "value": 1}),
    extra("body-model-provider", {"model_name": "m", "provider_name": "p", "pointer": "/x", "value": 1}),
    extra("body-model-provider-unknown", {"model_name": "m", "provider_name": "q", "pointer": "/x", "value": 1}),
    extra("body-model-provider-legacy", {"model_provider_name": "tensorzero::model_name::m::provider_name::p", "pointer": "/x", "value": 1}),
    extra("body-model-provider-legacy-other", {"model_provider_name": "tensorzero::model_name::keyed::provider_name::p", "pointer": "/x", "value": 1}),
    extra("body-provider-of-one", {"model_name": "three", "provider_name": "b", "pointer": "/x", "value": 1}, model="three",
          up=[error(500, "a"), json_answer(chat_answer("b"))]),
    extra("body-always", {"pointer": "/x", "value": 1}, model="extras"),
    extra("body-over-config", {"pointer": "/top", "value": "mine"}, model="extras"),
    extra("body-deletes-config", {"pointer": "/top", "delete": True}, model="extras"),
    extra("body-pointer-empty", {"pointer": "", "value": 1}),
    extra("body-pointer-no-slash", {"pointer": "x", "value": 1}),
    extra("body-pointer-end-slash", {"pointer": "/x/", "value": 1}),
    extra("body-pointer-slash", {"pointer": "/", "value": 1}),
    extra("body-pointer-index-out", {"pointer": "/messages/9", "value": 1}),
    extra("body-pointer-index-odd", {"pointer": "/messages/x", "value": 1}),
    extra("body-pointer-into-string", {"pointer": "/model/x", "value": 1}),
    extra("body-pointer-dash-middle", {"pointer": "/messages/-/x", "value": 1}),
    extra("body-extra-key", {"pointer": "/x", "value": 1, "odd": 2}),
    extra("body-no-pointer", {"value": 1}),
    case("body-object", "extra_body", {"x": 1}),
    case("body-nulls", "extra_body", None),
    case("body-empty", "extra_body", []),
    case("body-stream", "extra_body", [{"pointer": "/x", "value": 1}], [sse(text_chunks("a"))], stream=True),
    # extra_headers
    headers("header-set", {"name": "x-mine", "value": "v"}),
    headers("header-replace", {"name": "content-type", "value": "application/odd"}),
    headers("header-authorization", {"name": "Authorization", "value": "Bearer other"}, model="keyed"),
    headers("header-delete", {"name": "authorization", "delete": True}, model="keyed"),
    headers("header-delete-missing", {"name": "x-nope", "delete": True}),
    headers("header-delete-false", {"name": "x-nope", "delete": False}),
    headers("header-over-config", {"name": "X-Config", "value": "mine"}, model="extras"),
    headers("header-twice", {"name": "x-a", "value": "1"}, {"name": "x-a", "value": "2"}),
    headers("header-variant", {"variant_name": "m", "name": "x-a", "value": "1"}),
    headers("header-model", {"model_name": "m", "name": "x-a", "value": "1"}),
    headers("header-model-other", {"model_name": "keyed", "name": "x-a", "value": "1"}),
    headers("header-model-provider", {"model_name": "m", "provider_name": "p", "name": "x-a", "value": "1"}),
    headers("header-model-provider-unknown", {"model_name": "m", "provider_name": "q", "name": "x-a", "value": "1"}),
    headers("header-bad-name", {"name": "x a", "value": "1"}),
    headers("header-bad-value", {"name": "x-a", "value": "a\nb"}),
    headers("header-utf8-value", {"name": "x-a", "value": "é"}),
    headers("header-empty-name", {"name": "", "value": "1"}),
    headers("header-number", {"name": "x-a", "value": 1}),
    case("header-object", "extra_headers", {"x": 1}),
    # credentials
    case("dynamic-key", "credentials", {"my_key": "sk-dyn"}, model="dynamic"),
    Case("dynamic-key-missing", body(model="dynamic")),
    case("dynamic-key-other", "credentials", {"other": "x"}, model="dynamic"),
    case("dynamic-key-empty", "credentials", {"my_key": ""}, model="dynamic"),
    Case("dynamic-then-static", body(model="dynamic-then-static")),
    case("dynamic-then-static-given", "credentials", {"my_key": "sk-dyn"}, model="dynamic-then-static"),
    Case("credential-fallback", body(model="credential-fallback")),
    case("credential-fallback-given", "credentials", {"my_key": "sk-dyn"}, model="credential-fallback"),
    case("credentials-unused", "credentials", {"x": "y"}),
    case("credentials-null", "credentials", None),
    case("credentials-number", "credentials", {"my_key": 5}, model="dynamic"),
]
