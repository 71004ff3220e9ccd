//! The protocol of custom resources: the answer goes to a pre-signed address, and must go there whatever happens
//! (`CloudFormation` user guide, "Custom resource request and response reference").

use bytes::Bytes;
use http_body_util::Full;
use lambda_http::http;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    BoxError,
    aws::{self, Patience},
};
use std::time::{Duration, Instant};

/// What `CloudFormation` asks for, and where it wants the answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Event {
    #[serde(rename = "RequestType")]
    kind: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    #[serde(rename = "RequestId")]
    id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
}

impl Event {
    /// The event, or none where the function was invoked by hand.
    pub(crate) fn of(event: &Value) -> Result<Option<Self>, serde_json::Error> {
        event.get("RequestType").map(|_| Self::deserialize(event)).transpose()
    }

    pub(crate) fn is_delete(&self) -> bool {
        self.kind == "Delete"
    }

    /// Tell `CloudFormation` how it went, until it has heard it or `deadline` comes. The answer of the invocation itself is of
    /// no interest to it.
    pub(crate) async fn answer(
        self,
        outcome: Result<&Value, String>,
        deadline: Instant,
    ) -> Result<Value, BoxError> {
        let (status, reason) = match &outcome {
            Ok(_) => ("SUCCESS", String::new()),
            // Shown in the stack's events. CloudFormation takes 4 KiB for the whole answer.
            Err(reason) => ("FAILED", reason.chars().take(1000).collect()),
        };
        let body = json!({
            "Status": status,
            "Reason": reason,
            // Always the same: another id would make CloudFormation delete the resource of the old one.
            "PhysicalResourceId": self.physical_resource_id.as_deref().unwrap_or("canvass-schema"),
            "StackId": self.stack_id,
            "RequestId": self.id,
            "LogicalResourceId": self.logical_resource_id,
            "Data": outcome.as_ref().copied().unwrap_or(&Value::Null).as_object(),
        });
        let https = aws::https(aws::roots(None)?);
        let patience = Patience {
            tries: u32::MAX,
            a_try: Duration::from_secs(3),
            in_all: deadline.saturating_duration_since(Instant::now()),
        };
        // The signature of the address covers an empty Content-Type.
        let request = http::Request::put(&self.response_url)
            .header("content-type", "")
            .body(Full::from(Bytes::from(body.to_string())))?;
        aws::send(&https, "CloudFormation", patience, request).await?;
        Ok(body)
    }
}

/// The property of the custom resource: seconds after which the database ends an idle session of the functions.
pub(crate) fn idle_session(event: &Value) -> Option<u32> {
    // CloudFormation makes a text of every number.
    event.pointer("/ResourceProperties/IdleSessionSeconds")?.to_string().trim_matches('"').parse().ok()
}
