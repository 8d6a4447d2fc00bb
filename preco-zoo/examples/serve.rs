//! Embeddings as a web service: `cargo run --release -p preco-zoo --example serve`, then
//! `curl --data-binary @image.png localhost:8080/embed`.

use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use preco_zoo::Encoder;
use serde_json::{Value, json};

/// The largest image that is taken, in bytes.
const MOST_BYTES: usize = 32 << 20;

type Answer = Result<Json<Value>, (StatusCode, String)>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "preco-swin-pico".to_owned());
    let encoder = Arc::new(Encoder::from_pretrained(model)?);
    let routes = Router::new()
        .route("/", get(about))
        .route("/embed", post(embed))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(encoder);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("http://{}", listener.local_addr()?);
        Ok(axum::serve(listener, routes).await?)
    })
}

async fn about(State(encoder): State<Arc<Encoder>>) -> Json<Value> {
    Json(json!({ "model": encoder.name(), "digest": encoder.digest(), "length": encoder.length() }))
}

/// The body is an image; encoders compute on a thread that may block.
async fn embed(State(encoder): State<Arc<Encoder>>, body: Bytes) -> Answer {
    let work = move || {
        let image = preco_core::imagery::decode_bytes(&body, Path::new("the body"))?;
        encoder.embed(&image)
    };
    let failed = |error: &dyn std::fmt::Display| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    match tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))? {
        Ok(vector) => Ok(Json(json!({ "embedding": vector }))),
        Err(error) => Err((StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
    }
}
