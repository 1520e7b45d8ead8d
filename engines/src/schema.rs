//! JSON Schema by the crate that TensorZero uses. No reference leaves the schema: a client's schema
//! must not make the gateway fetch anything.

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

pub struct Schema {
    validator: Validator,
}

struct Refuse;

impl Retrieve for Refuse {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("references outside of the schema are not followed: {uri}").into())
    }
}

impl Schema {
    pub fn compile(json: &[u8]) -> Result<Schema, String> {
        let value: Value = serde_json::from_slice(json).map_err(|e| format!("invalid JSON: {e}"))?;
        let validator = jsonschema::options()
            .with_retriever(Refuse)
            .build(&value)
            .map_err(|e| e.to_string())?;
        Ok(Schema { validator })
    }

    pub fn validate(&self, json: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(json).map_err(|e| format!("invalid JSON: {e}"))?;
        self.validator.validate(&value).map_err(|e| {
            let place = e.instance_path().to_string();
            if place.is_empty() {
                e.to_string()
            } else {
                format!("{e} at {place}")
            }
        })
    }
}
