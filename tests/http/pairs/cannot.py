"""What a client cannot do over a surface, whatever the provider, with the reason that docs/pairs.md shows."""

# (client, surface): {feature: why not}
CANNOT = {
    ("Vercel AI SDK", "chat"): {"thinking": "`@ai-sdk/openai` reads no `reasoning_content`, which is no field of OpenAI's own (`/v1/responses` shows it thoughts)"},
    ("LangChain (Python)", "chat"): {"thinking": "`langchain-openai` reads no `reasoning_content`, which is no field of OpenAI's own (`/v1/responses` shows it thoughts)"},
}
