//! What a node tells over plain HTTP, on the port of everything else: whether it is well, its figures, and the web panel.

mod health;
mod metrics;
pub mod panel;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use self::panel::Panel;
use common::connections::Connections;
use common::tls::Tls;

use crate::blobs::store::Store;
use crate::driver::DriverHandle;
use crate::gate;
use crate::meters::Meters;

/// What the pages are made of.
#[derive(Clone)]
pub struct State {
    pub driver: DriverHandle,
    pub meters: Meters,
    pub blobs: Store,
    pub connections: Connections,
    pub tls: Tls,
}

/// Beside those of gRPC.
pub fn add(grpc: Router, state: State, panel: Panel) -> Router {
    // What /metrics tells, for pages that come from the other orchestrator too.
    let figures = Router::new().route("/panel/api/figures", get(metrics::all));
    let figures = panel::guarded(figures.with_state(state.clone()), panel.clone());
    grpc.fallback(unknown).merge(pages(state)).merge(figures).merge(panel::pages(panel))
}

/// Of a service or a page that there is not.
async fn unknown(headers: HeaderMap) -> Response {
    match gate::is_grpc(&headers) {
        true => tonic::Status::unimplemented("").into_http::<Body>(),
        false => (StatusCode::NOT_FOUND, "/panel/ /healthz /readyz /metrics\n").into_response(),
    }
}

fn pages(state: State) -> Router {
    Router::new()
        .route("/healthz", get(health::is_alive))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(metrics::all))
        .with_state(state)
}
