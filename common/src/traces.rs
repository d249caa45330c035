//! Spans for OpenTelemetry, sent to a collector over OTLP/gRPC; without a collector there are none.
//!
//! Where a span stands in its trace is told to others in the words of W3C Trace Context, level 1 (`traceparent`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::InstrumentationScope;
pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceId};
use opentelemetry::trace::{Status, TraceFlags, TraceState};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanProcessor as _};
use tonic::transport::{Channel, Endpoint};

/// Variables of OpenTelemetry: what the program is called instead of its own name, how it speaks, whether at all.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// In which a process that ends may still send what waits.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is needed to send spans; the other variables of OpenTelemetry (headers, time limits, batches, attributes of the
/// resource) are read from the environment.
#[derive(Clone, Debug, Default, clap::Args)]
// Another set of flags is called the same.
#[group(skip)]
pub struct Flags {
    /// The collector, `http://HOST:4317`.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", global = true)]
    pub otlp: Option<String>,
}

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment asks for another protocol.
    #[error("{PROTOCOL} is `{0}`, and only `grpc` is spoken")]
    Protocol(String),
    /// No exporter can be made of this address.
    #[error("{0}")]
    Endpoint(String),
}

/// Takes spans, or does nothing; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Sender>>);

#[derive(Debug)]
struct Sender {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

/// Something that took its time.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is, one of few words.
    pub name: Cow<'static, str>,
    /// Its side of a conversation.
    pub kind: SpanKind,
    /// Its place in a trace.
    pub context: SpanContext,
    /// What it is part of.
    pub parent: Option<SpanContext>,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What is known of it.
    pub attributes: Vec<KeyValue>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Flags {
    /// To be called within a runtime. `service`: what the program is called; `instance`: which of them it is.
    ///
    /// # Errors
    /// Spans were asked for, and cannot be sent like that.
    pub fn start(&self, service: &'static str, instance: &str) -> Result<Traces, Error> {
        let is_disabled = std::env::var(DISABLED).is_ok_and(|value| value == "true");
        let Some(endpoint) = self.otlp.as_deref().filter(|url| !url.is_empty() && !is_disabled)
        else {
            return Ok(Traces::default());
        };
        match std::env::var(PROTOCOL) {
            Ok(protocol) if protocol != "grpc" => return Err(Error::Protocol(protocol)),
            Ok(_) | Err(_) => {}
        }
        let channel = channel(endpoint)?;
        let exporter = SpanExporter::builder().with_tonic().with_channel(channel).build();
        let exporter = exporter.map_err(|error| Error::Endpoint(error.to_string()))?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_owned()),
        ]);
        let resource = match std::env::var_os(SERVICE_NAME) {
            Some(_) => resource,
            None => resource.with_service_name(service),
        };
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("mutirao").build();
        Ok(Traces(Some(Arc::new(Sender { processor, scope }))))
    }
}

/// Connects when there is something to send. A collector's certificate counts when the system trusts its authority.
fn channel(url: &str) -> Result<Channel, Error> {
    let wrong = |error: &dyn std::error::Error| Error::Endpoint(format!("{url}: {error}"));
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| wrong(&error))?;
    match endpoint.uri().scheme_str() {
        Some("http") => return Ok(endpoint.connect_lazy()),
        Some("https") => {}
        Some(_) | None => return Err(Error::Endpoint(format!("{url}: http:// or https://"))),
    }
    let provider = rustls::crypto::ring::default_provider();
    let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
    let connector = connector.map_err(|error| wrong(&error))?.https_only().enable_http2().build();
    Ok(endpoint.connect_with_connector_lazy(connector))
}

impl Traces {
    /// Whether there is somebody to send to.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Spans of traces that are not sampled are dropped; others too, and that is logged once, while more wait than a
    /// collector takes. Never waits.
    pub fn record(&self, span: Span) {
        let Some(sender) = self.0.as_deref().filter(|_| span.context.is_sampled()) else { return };
        let parent = span.parent;
        sender.processor.on_end(SpanData {
            span_context: span.context,
            parent_span_is_remote: parent.as_ref().is_some_and(SpanContext::is_remote),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| parent.span_id()),
            span_kind: span.kind,
            name: span.name,
            start_time: span.start,
            end_time: span.end,
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: span.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: sender.scope.clone(),
        });
    }

    /// Sends what waits, or gives it up after two seconds; nothing can be recorded any more.
    pub async fn close(self) {
        let Some(sender) = self.0 else { return };
        let end = tokio::task::spawn_blocking(move || {
            sender.processor.shutdown_with_timeout(FAREWELL).map_err(std::io::Error::other)
        });
        if let Err(error) = end.await.map_err(std::io::Error::other).flatten() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The place of a span.
pub fn context(trace: TraceId, span: SpanId, is_sampled: bool) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(is_sampled);
    SpanContext::new(trace, span, flags, true, TraceState::default())
}

/// A new span in the trace of `parent`; without one in a new trace, which is sampled.
pub fn child_of(parent: Option<&SpanContext>) -> SpanContext {
    let span = SpanId::from(rand::random::<u64>() | 1);
    match parent {
        Some(parent) => context(parent.trace_id(), span, parent.is_sampled()),
        None => context(TraceId::from(rand::random::<u128>() | 1), span, true),
    }
}

/// What is told to whoever does part of the work: the header of W3C Trace Context.
pub fn traceparent(of: &SpanContext) -> String {
    let flags = u8::from(of.is_sampled());
    format!("00-{:032x}-{:016x}-{flags:02x}", of.trace_id(), of.span_id())
}

/// The span that a `traceparent` names; `None` for one that is malformed. A version to come may be longer.
pub fn parse(text: &str) -> Option<SpanContext> {
    let hex = |text: &str, digits| {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == digits && text.bytes().all(is_hex)).then(|| u128::from_str_radix(text, 16))
    };
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?.ok().filter(|version| *version != 0xff)?;
    let trace = hex(parts.next()?, 32)?.ok()?;
    let span = u64::try_from(hex(parts.next()?, 16)?.ok()?).ok()?;
    let flags = hex(parts.next()?, 2)?.ok()?;
    let is_whole = version > 0 || parts.next().is_none();
    let context = context(TraceId::from(trace), SpanId::from(span), flags & 1 == 1);
    Some(context).filter(|context| is_whole && context.is_valid())
}

/// Which span this process is part of, as whoever started it says in `TRACEPARENT`.
pub fn of_environment() -> Option<SpanContext> {
    let text = std::env::var("TRACEPARENT").ok().filter(|text| !text.is_empty())?;
    let context = parse(&text);
    if context.is_none() {
        tracing::warn!(text, "TRACEPARENT is malformed, and left alone");
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_told_is_understood() {
        let context = parse(GIVEN).expect("the example of the recommendation");
        assert_eq!(traceparent(&context), GIVEN);
        assert!(context.is_sampled());
        let child = child_of(Some(&context));
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.span_id(), context.span_id());
        assert_eq!(parse(&traceparent(&child)), Some(child));
        let not_sampled = parse(&GIVEN.replace("-01", "-00")).expect("well-formed");
        assert!(!child_of(Some(&not_sampled)).is_sampled());
        assert!(child_of(None).is_valid());
    }

    #[test]
    fn what_is_malformed_is_not_taken() {
        let later = GIVEN.replacen("00", "01", 1) + "-more";
        assert!(parse(&later).is_some(), "a later version may say more");
        for wrong in [
            "".to_owned(),
            "00".to_owned(),
            GIVEN.to_uppercase(),
            GIVEN.replacen("00", "ff", 1),
            GIVEN.replace("4bf9", "+bf9"),
            format!("{GIVEN}-more"),
            GIVEN.replace("00f067aa0ba902b7", "0000000000000000"),
            GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GIVEN.replace("00f067aa0ba902b7", "f067aa0ba902b7"),
            "00-é".to_owned(),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }
}
