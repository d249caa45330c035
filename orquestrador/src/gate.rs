//! Who may call what, on a port that speaks TLS: before any service sees a request. A port without certificates has no gate.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use common::blobs::CLUSTER_KEY;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::{
    blob_service_server, synchronization_service_server, witness_service_server,
    worker_service_server,
};
use common::tls::{Caller, Connected, Role};
use tonic::Status;

use crate::blobs::PEER_KEY;
use crate::refusals::Refusals;

/// Passes a request on, or answers it.
pub async fn keep(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<Connected>();
    let (caller, address) = (connected.map(|it| &it.caller), connected.and_then(|it| it.address));
    match admit(caller, request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(status) => {
            refusals.caller(address, &status);
            refusal(request.headers(), status)
        }
    }
}

/// Users are known by their tokens; what only members of the cluster may call needs a certificate of theirs.
fn admit(caller: Option<&Caller>, path: &str, headers: &HeaderMap) -> Result<(), Status> {
    let refused = |code, why: String| Err(grpc_status::status(code, why));
    let needed = needed(path, headers);
    match caller {
        None | Some(Caller::Unasked) => {
            refused(ErrorCode::Internal, "a connection that nobody looked at".into())
        }
        Some(Caller::Plain) => {
            refused(ErrorCode::TlsRequired, "this port speaks TLS only: use https://".into())
        }
        Some(Caller::Refused(defect)) => refused(
            ErrorCode::CertificateRefused,
            format!("the certificate that was shown is refused: {defect}"),
        ),
        Some(Caller::Anonymous) => match needed.first() {
            None => Ok(()),
            Some(role) => refused(
                ErrorCode::CertificateRequired,
                format!(
                    "needs a certificate of the role {role}: cliente certs issue NAME --role {role}"
                ),
            ),
        },
        Some(Caller::Known(certificate)) => match needed.first() {
            None => Ok(()),
            Some(_) if certificate.role.is_some_and(|role| needed.contains(&role)) => Ok(()),
            Some(role) => refused(
                ErrorCode::WrongRole,
                format!(
                    "the certificate of `{}` has the role {}, and this needs {role}: cliente certs issue NAME --role {role}",
                    certificate.subject,
                    certificate.role.map_or("none", Role::word)
                ),
            ),
        },
    }
}

/// One of these roles; none where anybody may call.
fn needed(path: &str, headers: &HeaderMap) -> &'static [Role] {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match service {
        synchronization_service_server::SERVICE_NAME => &[Role::Orchestrator],
        worker_service_server::SERVICE_NAME | witness_service_server::SERVICE_NAME => {
            &[Role::Worker]
        }
        // Users put and get with their tokens, members by these marks.
        blob_service_server::SERVICE_NAME if headers.contains_key(PEER_KEY) => {
            &[Role::Orchestrator]
        }
        blob_service_server::SERVICE_NAME if headers.contains_key(CLUSTER_KEY) => {
            &[Role::Worker, Role::Orchestrator]
        }
        _ => &[],
    }
}

/// How a request wants its answer.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

fn refusal(headers: &HeaderMap, status: Status) -> Response {
    match is_grpc(headers) {
        true => status.into_http::<Body>(),
        false => (StatusCode::FORBIDDEN, format!("{}\n", status.message())).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::tls::{Certificate, Defect};
    use time::OffsetDateTime;

    use super::*;

    const TASKS: &str = "/mutirao.v1.TaskOrchestrator/SubmitTask";
    const LINK: &str = "/mutirao.v1.SynchronizationService/Link";
    const SESSION: &str = "/mutirao.v1.WorkerService/Session";
    const CONTROL: &str = "/mutirao.v1.WitnessService/Control";
    const BLOB: &str = "/mutirao.v1.BlobService/GetBlob";

    fn known(role: Option<Role>) -> Caller {
        Caller::Known(Arc::new(Certificate {
            subject: "x".into(),
            issuer: "ca".into(),
            serial: "1".into(),
            hosts: Vec::new(),
            role,
            is_authority: false,
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH,
        }))
    }

    fn judged(caller: &Caller, path: &str, marks: &[&'static str]) -> Option<ErrorCode> {
        let mut headers = HeaderMap::new();
        for mark in marks {
            headers.insert(*mark, "1".parse().expect("is a value"));
        }
        let refused = admit(Some(caller), path, &headers).err()?;
        Some(grpc_status::meaning(&refused).code)
    }

    #[test]
    fn each_service_of_members_wants_its_role() {
        let cases = [(LINK, Role::Orchestrator), (SESSION, Role::Worker), (CONTROL, Role::Worker)];
        for (path, needed) in cases {
            for role in Role::ALL {
                let expected = (role != needed).then_some(ErrorCode::WrongRole);
                assert_eq!(judged(&known(Some(role)), path, &[]), expected, "{role} at {path}");
            }
            assert_eq!(judged(&known(None), path, &[]), Some(ErrorCode::WrongRole));
            let anonymous = judged(&Caller::Anonymous, path, &[]);
            assert_eq!(anonymous, Some(ErrorCode::CertificateRequired), "{path}");
        }
    }

    #[test]
    fn users_need_none_and_cannot_pass_for_members() {
        for path in [TASKS, BLOB, "/grpc.health.v1.Health/Check", "/metrics"] {
            assert_eq!(judged(&Caller::Anonymous, path, &[]), None, "{path}");
            assert_eq!(judged(&known(Some(Role::Client)), path, &[]), None, "{path}");
        }
        let required = Some(ErrorCode::CertificateRequired);
        assert_eq!(judged(&Caller::Anonymous, BLOB, &[CLUSTER_KEY]), required);
        assert_eq!(judged(&known(Some(Role::Worker)), BLOB, &[CLUSTER_KEY]), None);
        let wrong = Some(ErrorCode::WrongRole);
        assert_eq!(judged(&known(Some(Role::Worker)), BLOB, &[CLUSTER_KEY, PEER_KEY]), wrong);
    }

    #[test]
    fn a_bad_certificate_and_no_tls_open_nothing() {
        for path in [TASKS, LINK, "/metrics", "/healthz"] {
            assert_eq!(judged(&Caller::Plain, path, &[]), Some(ErrorCode::TlsRequired));
            let bad = Caller::Refused(Arc::new(Defect::OtherAuthority));
            assert_eq!(judged(&bad, path, &[]), Some(ErrorCode::CertificateRefused));
            assert_eq!(judged(&Caller::Unasked, path, &[]), Some(ErrorCode::Internal));
            assert!(admit(None, path, &HeaderMap::new()).is_err());
        }
    }

    /// A new service is open to users until somebody thinks about it here.
    #[test]
    fn every_service_is_accounted_for() {
        let text = String::from_utf8_lossy(common::proto::DESCRIPTORS);
        let of_members = ["Synchronization", "Worker", "Witness", "Blob"];
        let of_users = ["Queue", "Schedule", "Cluster", "Operator", "Webhook"];
        let mut rest = &text[..];
        while let Some(end) = rest.find("Service") {
            let start = rest[..end]
                .rfind(|c: char| !c.is_ascii_alphabetic())
                .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
            let name = &rest[start..end];
            let is_known = of_members.iter().chain(&of_users).any(|known| *known == name);
            assert!(is_known || name.is_empty(), "{name}Service");
            rest = &rest[end + "Service".len()..];
        }
    }
}
