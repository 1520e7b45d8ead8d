//! What TensorZero's reader says of an upstream's answer that it cannot use. Its structs, as far as their names, fields and types show
//! in the texts; nothing is kept of what they hold.

use serde::Deserialize;

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIPromptTokensDetails {
    cached_tokens: Option<u32>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIUsage {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    prompt_tokens_details: Option<OpenAIPromptTokensDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpenAIFinishReason {
    #[serde(other)]
    Unknown,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIResponseFunctionCall {
    name: String,
    arguments: String,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIResponseCustomCall {
    name: String,
    input: String,
}

#[allow(dead_code)]
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OpenAIResponseToolCall {
    Function { id: String, function: OpenAIResponseFunctionCall },
    Custom { id: String, custom: OpenAIResponseCustomCall },
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIResponseMessageRaw {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<OpenAIResponseToolCall>>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIResponseChoice {
    index: u8,
    message: OpenAIResponseMessageRaw,
    finish_reason: OpenAIFinishReason,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIResponse {
    choices: Vec<OpenAIResponseChoice>,
    usage: Option<OpenAIUsage>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIFunctionCallChunk {
    name: Option<String>,
    arguments: Option<String>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIToolCallChunk {
    index: u8,
    id: Option<String>,
    function: OpenAIFunctionCallChunk,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIDeltaRaw {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<OpenAIToolCallChunk>>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIChatChunkChoice {
    delta: OpenAIDeltaRaw,
    finish_reason: Option<OpenAIFinishReason>,
}

#[allow(dead_code)]
#[derive(Deserialize)]
struct OpenAIChatChunk {
    choices: Vec<OpenAIChatChunkChoice>,
    usage: Option<OpenAIUsage>,
}

/// None: TensorZero reads it.
pub fn fault(text: &str, chunk: bool) -> Option<String> {
    let error = if chunk {
        serde_json::from_str::<OpenAIChatChunk>(text).err()
    } else {
        serde_json::from_str::<OpenAIResponse>(text).err()
    };
    error.map(|e| e.to_string())
}
