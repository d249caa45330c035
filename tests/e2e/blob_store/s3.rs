//! A store of objects that speaks as much of S3 as is asked of one, and fails when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};

pub const BUCKET: &str = "tasks";
pub const KEY_ID: &str = "AKIATEST";
/// A page of a list: so short that every list has several.
const PAGE: usize = 2;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 503 to everything.
    Down,
    /// 403 to everything.
    Refuses,
}

struct State {
    objects: BTreeMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    mood: Mood,
    /// Of requests that were served, by what they were.
    served: HashMap<&'static str, usize>,
}

/// Runs until it is dropped.
pub struct S3 {
    state: Arc<Mutex<State>>,
    pub url: String,
    _runtime: tokio::runtime::Runtime,
}

impl S3 {
    pub fn start() -> anyhow::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = State {
            objects: BTreeMap::new(),
            uploads: HashMap::new(),
            mood: Mood::Well,
            served: HashMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                let serve = hyper::service::service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(serve(&state, request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), serve));
            }
        });
        Ok(Self { state, url, _runtime: runtime })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn is_from_now(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// The objects of one blob, as `EPOCH`s.
    pub fn epochs_of(&self, content: &[u8]) -> Vec<String> {
        let hash = blake3::hash(content).to_hex();
        let keys = self.keys().into_iter().filter(|key| key.contains(hash.as_str()));
        keys.filter_map(|key| key.rsplit('/').next().map(str::to_owned)).collect()
    }

    pub fn put(&self, key: &str, content: &[u8]) {
        self.state().objects.insert(key.to_owned(), Bytes::copy_from_slice(content));
    }

    /// Another content, in every object of the blob.
    pub fn damage(&self, content: &[u8]) {
        let hash = blake3::hash(content).to_hex();
        let mut state = self.state();
        for (_, object) in state.objects.iter_mut().filter(|(key, _)| key.contains(hash.as_str())) {
            let mut damaged = object.to_vec();
            damaged[0] ^= 1;
            *object = damaged.into();
        }
    }

    pub fn served(&self, what: &str) -> usize {
        self.state().served.get(what).copied().unwrap_or_default()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answer = Response<Full<Bytes>>;

async fn serve(state: &Mutex<State>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return xml(StatusCode::BAD_REQUEST, "<Error><Code>IncompleteBody</Code></Error>");
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut state = lock(state);
    match state.mood {
        Mood::Well => {}
        Mood::Down => {
            return xml(StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>Busy</Code></Error>");
        }
        Mood::Refuses => return denied("AccessDenied"),
    }
    let signed = header("authorization").unwrap_or_default();
    if !signed.contains(&format!("Credential={KEY_ID}/")) {
        return denied("InvalidAccessKeyId");
    }
    let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    if header("x-amz-content-sha256") != Some(&sum) {
        return denied("XAmzContentSHA256Mismatch");
    }
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    if bucket != BUCKET {
        return xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchBucket</Code></Error>");
    }
    let (what, answer) = match (&head.method, query.get("uploadId")) {
        (&Method::POST, None) if query.contains_key("delete") => ("delete", state.delete(&body)),
        (&Method::POST, None) => ("begin", state.begin(key)),
        (&Method::PUT, Some(upload)) => ("part", state.part(upload, &query, body)),
        (&Method::POST, Some(upload)) => ("complete", state.complete(key, upload)),
        (&Method::DELETE, Some(upload)) => {
            state.uploads.remove(upload);
            ("abort", xml(StatusCode::NO_CONTENT, ""))
        }
        (&Method::PUT, None) => match header("x-amz-copy-source") {
            Some(source) => ("copy", state.copy(source, key)),
            None => ("put", state.put(key, body)),
        },
        (&Method::GET, None) if key.is_empty() => ("list", state.list(&query)),
        (&Method::GET | &Method::HEAD, None) => ("get", state.get(key)),
        (&Method::DELETE, None) => {
            state.objects.remove(key);
            ("delete", xml(StatusCode::NO_CONTENT, ""))
        }
        _ => ("other", xml(StatusCode::NOT_IMPLEMENTED, "")),
    };
    *state.served.entry(what).or_default() += 1;
    answer
}

fn denied(code: &str) -> Answer {
    xml(StatusCode::FORBIDDEN, &format!("<Error><Code>{code}</Code></Error>"))
}

fn xml(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

fn tagged(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert("etag", "\"tag\"".parse().expect("is a header"));
    let moment = "Fri, 27 Nov 2026 00:00:00 GMT".parse().expect("is a header");
    headers.insert("last-modified", moment);
    answer
}

impl State {
    fn put(&mut self, key: &str, body: Bytes) -> Answer {
        self.objects.insert(key.to_owned(), body);
        tagged(xml(StatusCode::OK, ""))
    }

    fn copy(&mut self, source: &str, key: &str) -> Answer {
        let source = source.trim_start_matches('/').trim_start_matches(BUCKET);
        match self.objects.get(source.trim_start_matches('/')).cloned() {
            Some(body) => {
                self.objects.insert(key.to_owned(), body);
                let told = "<CopyObjectResult><ETag>tag</ETag></CopyObjectResult>";
                xml(StatusCode::OK, told)
            }
            None => xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    }

    fn get(&self, key: &str) -> Answer {
        match self.objects.get(key) {
            Some(body) => tagged(Response::new(Full::new(body.clone()))),
            None => xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    }

    fn begin(&mut self, key: &str) -> Answer {
        let upload = format!("upload{}", self.uploads.len());
        self.uploads.insert(upload.clone(), BTreeMap::new());
        let told = format!(
            "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key>\
             <UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        );
        xml(StatusCode::OK, &told)
    }

    fn part(&mut self, upload: &str, query: &HashMap<String, String>, body: Bytes) -> Answer {
        let number = query.get("partNumber").and_then(|number| number.parse().ok());
        match (self.uploads.get_mut(upload), number) {
            (Some(parts), Some(number)) => {
                parts.insert(number, body);
                tagged(xml(StatusCode::OK, ""))
            }
            _ => xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchUpload</Code></Error>"),
        }
    }

    fn complete(&mut self, key: &str, upload: &str) -> Answer {
        let Some(parts) = self.uploads.remove(upload) else {
            return xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchUpload</Code></Error>");
        };
        let whole: Vec<u8> = parts.into_values().flatten().collect();
        self.objects.insert(key.to_owned(), whole.into());
        let told = format!(
            "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"tag\"</ETag></CompleteMultipartUploadResult>"
        );
        xml(StatusCode::OK, &told)
    }

    fn list(&self, query: &HashMap<String, String>) -> Answer {
        let after = query.get("continuation-token").map_or("", String::as_str);
        let prefix = query.get("prefix").map_or("", String::as_str);
        let all = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let rest: Vec<_> = all.filter(|(key, _)| key.as_str() > after).collect();
        let mut told = String::from("<ListBucketResult>");
        for (key, body) in rest.iter().take(PAGE) {
            let size = body.len();
            write!(
                told,
                "<Contents><Key>{key}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>\
                 <ETag>\"tag\"</ETag><Size>{size}</Size></Contents>"
            )
            .expect("is written");
        }
        if let (Some((last, _)), true) = (rest.get(PAGE - 1), rest.len() > PAGE) {
            write!(told, "<NextContinuationToken>{last}</NextContinuationToken>")
                .expect("is written");
        }
        told.push_str("</ListBucketResult>");
        xml(StatusCode::OK, &told)
    }

    fn delete(&mut self, body: &[u8]) -> Answer {
        let asked = String::from_utf8_lossy(body).into_owned();
        for part in asked.split("<Key>").skip(1) {
            self.objects.remove(part.split("</Key>").next().unwrap_or_default());
        }
        xml(StatusCode::OK, "<DeleteResult></DeleteResult>")
    }
}
