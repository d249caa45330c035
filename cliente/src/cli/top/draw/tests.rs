//! Pictures of a cluster that does not exist.

use common::lang::Lang;
use common::proto::{
    Activity, ExplainTaskResponse, FollowOutputResponse, GetClusterResponse, LatencyBucket,
    NodeRole, NodeStatus, OutputPiece, Queue, Role, StateCount, Task, TaskError, TaskState,
    TaskStep, User, Worker,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::{frame, lines, text};
use crate::cli::top::model::{Change, Mode, Model, Page, Picture, Settings};
use crate::cli::top::opened::Opened;

/// 2026-11-28 12:00:00 UTC.
const NOON: u64 = 1_795_867_200_000;
const FIRST: &str = "localhost:50051";
const SECOND: &str = "localhost:50052";

fn node(address: &str, role: NodeRole, journal_index: u64) -> NodeStatus {
    NodeStatus {
        address: format!("http://{address}"),
        role: role.into(),
        journal_index,
        node_id: address.into(),
        answering: role == NodeRole::Principal,
        in_sync: role == NodeRole::Standby,
        ..NodeStatus::default()
    }
}

fn worker(port: u16, busy: u32) -> Worker {
    Worker {
        worker_id: format!("localhost:{port}"),
        connected: port != 50063,
        slots: 4,
        busy,
        handlers: vec!["command".into(), "echo".into()],
        heartbeat_age_ms: 1_200,
        assigned_total: 17,
        ..Worker::default()
    }
}

fn task(n: u64, state: TaskState, worker: &str) -> Task {
    let started_at_ms = if worker.is_empty() { 0 } else { NOON - 40_000 + n };
    Task {
        task_id: format!("0190b4a0-0000-7000-8000-{n:012}"),
        handler: "command".into(),
        state: state.into(),
        attempt: u32::from(started_at_ms > 0),
        worker_id: worker.into(),
        submitted_at_ms: NOON - 60_000 + n,
        started_at_ms,
        queue: "default".into(),
        ..Task::default()
    }
}

fn cluster(principal: &str, other: NodeRole, finished_total: u64) -> GetClusterResponse {
    let second = if principal == FIRST { SECOND } else { FIRST };
    let counts = [("QUEUED", 12), ("RUNNING", 3), ("SUCCEEDED", 1034), ("FAILED", 1)];
    let bucket = LatencyBucket { up_to_ms: 2.0, count: finished_total };
    let rest = LatencyBucket { up_to_ms: f64::INFINITY, count: 0 };
    GetClusterResponse {
        epoch: if principal == FIRST { 1 } else { 2 },
        view_number: 3,
        nodes: vec![node(principal, NodeRole::Principal, 120), node(second, other, 118)],
        workers: vec![worker(50061, 2), worker(50062, 1), worker(50063, 0)],
        task_counts: counts.map(|(state, count)| StateCount { state: state.into(), count }).into(),
        activity: Some(Activity { finished_total, witnesses: 3, commits: vec![bucket, rest] }),
        ..GetClusterResponse::default()
    }
}

fn tasks() -> Vec<Task> {
    let failed = Task {
        finished_at_ms: NOON - 38_000,
        error: Some(Box::new(TaskError { code: "TIMEOUT".into(), message: String::new() })),
        ..task(3, TaskState::Failed, "localhost:50062")
    };
    let waiting = Task { pending_reason: "ALL_BUSY".into(), ..task(4, TaskState::Queued, "") };
    // Whoever names a worker or a handler so would like to speak to the terminal.
    let wide = Task { handler: "描画".into(), ..task(1, TaskState::Running, "機械\x1b[2J:1") };
    vec![wide, task(2, TaskState::Running, "localhost:50061"), failed, waiting]
}

fn picture(cluster: GetClusterResponse) -> Picture {
    let queue =
        Queue { name: "default".into(), queued: 12, running: 3, weight: 1, ..Queue::default() };
    Picture {
        cluster,
        queues: vec![queue, Queue { name: "render".into(), paused: true, ..Queue::default() }],
        tasks: Some(tasks()),
        is_of_all: false,
        history: None,
        user: User { user: "ana".into(), role: Role::Submitter.into(), ..User::default() },
    }
}

/// Seen twice, the second time now.
fn model() -> Model {
    let settings = Settings { interval_ms: 1_000, began_ms: NOON - 2_000, ..Settings::default() };
    let mut model = Model::new(settings);
    model.see(picture(cluster(FIRST, NodeRole::Standby, 1_010)), NOON - 2_000);
    model.see(picture(cluster(FIRST, NodeRole::Standby, 1_035)), NOON);
    model
}

fn drawn(model: &Model, (columns, rows): (u16, u16), now_ms: u64) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("is in memory");
    terminal.draw(|shown| frame(model, shown.buffer_mut(), now_ms)).expect("is in memory");
    terminal.backend().buffer().clone()
}

#[track_caller]
fn check(model: &Model, size: (u16, u16), now_ms: u64, expected: &[&str]) {
    let shown = lines(&drawn(model, size, now_ms));
    assert_eq!(shown, expected, "\n{}", shown.join("\n"));
}

#[test]
fn the_first_page_tells_everything_at_a_glance() {
    check(
        &model(),
        (80, 24),
        NOON,
        &[
            "Mutirão · principal localhost:50051 · época 1     ana (submitter) · 12:00:00 UTC",
            "[1 Cluster] 2 Workers  3 Filas  4 Tarefas  5 Histórico",
            "RECEBIDA 12  EM_EXECUCAO 3  CONCLUIDA 1034  FALHOU 1  CANCELADA 0  PERDIDA 0",
            "─ Orquestradores · visão 3 · 3 testemunhas ─────────────────────────────────────",
            "ORQUESTRADOR     PAPEL      ÍNDICE  ATRASO  SITUAÇÃO",
            "localhost:50051  principal     120       —",
            "localhost:50052  backup        118       2  em sincronia",
            "─ Atividade ────────────────────────────────────────────────────────────────────",
            "Vazão        12.5/s                                                            █",
            "Confirmação  p50 1.0 ms p99 2.0 ms                                             █",
            "Carga        executando 3, fila 12                                            ██",
            "─ Workers · 2 conectados · 3 de 8 vagas em uso ─────────────────────────────────",
            "WORKER           SITUAÇÃO        VAGAS  SINAL  ATRIBUÍDAS  HANDLERS",
            "localhost:50061  conectado    ▮▮▯▯ 2/4     1s          17  command, echo",
            "localhost:50062  conectado    ▮▯▯▯ 1/4     1s          17  command, echo",
            "localhost:50063  sem contato  ▯▯▯▯ 0/4      —          17  command, echo",
            "─ Tarefas ──────────────────────────────────────────────────────────────────────",
            "TAREFA            STATUS       HANDLER  TENT.  IDADE  DUROU  WORKER      FILA",
            "…00-000000000002  EM_EXECUCAO  command      1    59s    39s  …ost:50061  default",
            "…00-000000000001  EM_EXECUCAO  描画         1    59s    39s  …{1b}[2J:1  default",
            "…00-000000000004  RECEBIDA     command      0    59s      —              default",
            "…00-000000000003  FALHOU       command      1    59s     1s  …ost:50062  default",
            "",
            "? ajuda  q sair  Tab página  Enter abrir  / filtrar  s ordenar  c cancelar",
        ],
    );
}

#[test]
fn a_narrow_and_short_terminal_has_what_matters_most() {
    let mut model = model();
    model.page = Page::Tasks;
    model.step(1, NOON);
    check(
        &model,
        (40, 8),
        NOON,
        &[
            "localhost:50051 · época 1   12:00:00 UTC",
            " 1  2  3 [4 Tarefas] 5",
            "─ Tarefas · 4 · por STATUS ─────────────",
            "TAREFA     STATUS       IDADE  WORKER",
            "…00000002  EM_EXECUCAO    59s  …st:50061",
            "…00000001  EM_EXECUCAO    59s  …1b}[2J:1",
            "…00000004  RECEBIDA       59s",
            "? ajuda  q sair  Tab página  Enter abrir",
        ],
    );
    let buffer = drawn(&model, (40, 8), NOON);
    let is_chosen = |y: u16| buffer[(0, y)].modifier.contains(Modifier::REVERSED);
    assert_eq!((4..7).map(is_chosen).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn a_silent_principal_is_told_at_once_and_its_picture_is_dim() {
    let mut model = model();
    model.page = Page::Queues;
    model.miss(None);
    let later = NOON + 3_000;
    let buffer = drawn(&model, (80, 8), later);
    let shown = lines(&buffer);
    assert_eq!(shown[2], "PRINCIPAL EM SILÊNCIO HÁ 3 s: localhost:50051; abaixo, o que ele disse");
    assert!(shown[5].starts_with("default  aberta"), "{shown:#?}");
    let is_dim = |y: u16| buffer[(0, y)].modifier.contains(Modifier::DIM);
    assert!(!is_dim(2) && is_dim(5), "what it said may be no longer so");

    // Another one answers: nothing is dim any more, and it is said who it is.
    model.see(picture(cluster(SECOND, NodeRole::Unreachable, 1_040)), later + 500);
    let buffer = drawn(&model, (80, 8), later + 500);
    let shown = lines(&buffer);
    assert!(shown[0].contains("principal localhost:50052 · época 2"), "{shown:#?}");
    assert_eq!(
        shown[2],
        "localhost:50052 é o principal, época 2, no lugar de localhost:50051; sem"
    );
    assert_eq!(shown[3], "resposta por no máximo 3.5 s");
    assert!(!buffer.content.iter().any(|cell| {
        cell.modifier.contains(Modifier::DIM) && cell.symbol().chars().all(char::is_alphanumeric)
    }));
    let shown = lines(&drawn(&model, (80, 8), later + 60_000 - 1));
    assert!(shown[2].starts_with("PRINCIPAL EM SILÊNCIO HÁ 59 s"), "no answer came: {shown:#?}");
}

#[test]
fn a_hanging_principal_is_silent_too() {
    let model = model();
    assert_eq!(model.silence_ms(NOON + 2_000), None);
    assert_eq!(model.silence_ms(NOON + 2_001), Some(2_001));
}

#[test]
fn before_the_first_picture_it_says_whom_it_asks() {
    let addresses = "http://localhost:50051".to_owned();
    let settings = Settings { lang: Lang::En, addresses, began_ms: NOON, ..Settings::default() };
    let mut model = Model::new(settings);
    model.miss(None);
    check(
        &model,
        (70, 4),
        NOON + 1_000,
        &[
            "Mutirão",
            "[1 Cluster] 2 Workers  3 Queues  4 Tasks  5 History",
            "NO PRINCIPAL HAS ANSWERED FOR 1 s: http://localhost:50051",
            "? help  q quit  Tab page  Enter open  / filter  s sort  c cancel",
        ],
    );
}

fn opened() -> Opened {
    let running = task(2, TaskState::Running, "localhost:50061");
    let mut opened = Opened::new(running.task_id.clone(), Some(running));
    let step = |what: &str, journal_index| TaskStep {
        what: what.into(),
        at_ms: NOON - 40_000,
        attempt: 1,
        worker_id: "localhost:50061".into(),
        journal_index,
        epoch: 1,
        ..TaskStep::default()
    };
    let steps = vec![step("SUBMITTED", 7), step("ASSIGNED", 7)];
    opened.steps(ExplainTaskResponse { steps, ..ExplainTaskResponse::default() });
    let said: String = (1..=30).map(|n| format!("line {n}\n")).collect();
    let piece = OutputPiece { attempt: 1, data: said.into(), ..OutputPiece::default() };
    opened.part(FollowOutputResponse { pieces: vec![piece], ..Default::default() });
    opened
}

#[test]
fn an_opened_task_tells_its_story_and_the_end_of_its_output() {
    let mut model = model();
    (model.page, model.opened) = (Page::Tasks, Some(opened()));
    model.mode = Mode::Confirm(Change::Cancel(task(2, TaskState::Running, "").task_id));
    check(
        &model,
        (76, 19),
        NOON,
        &[
            "Mutirão · principal localhost:50051 · época 1             ana · 12:00:00 UTC",
            " 1 Cluster  2 Workers  3 Filas [4 Tarefas] 5 Histórico",
            "─ 0190b4a0-0000-7000-8000-000000000002 ─────────────────────────────────────",
            "Tarefa:    0190b4a0-0000-7000-8000-000000000002",
            "Status:    EM_EXECUCAO",
            "Handler:   command",
            "Worker:    localhost:50061",
            "Tentativa: 1",
            "Recebida:  2026-11-28 11:59:00",
            "Iniciada:  2026-11-28 11:59:20",
            "─ Fim da saída ─────────────────────────────────────────────────────────────",
            "line 24",
            "line 25",
            "line 26",
            "line 27",
            "line 28",
            "line 29",
            "line 30",
            "Cancelar 0190b4a0-0000-7000-8000-000000000002? s/n",
        ],
    );
}

/// Whatever the terminal is, and whatever is shown.
#[test]
fn no_terminal_is_too_small() {
    let mut other = model();
    other.is_held = true;
    other.filter = "日本".repeat(30);
    other.miss(Some("why".into()));
    for base in [Model::new(Settings::default()), model(), other] {
        for page in Page::ALL {
            for opened in [None, Some(opened())] {
                for mode in
                    [Mode::Look, Mode::Filter, Mode::Help, Mode::Confirm(Change::Retry("x".into()))]
                {
                    let mut model = base.clone();
                    (model.page, model.opened, model.mode) = (page, opened.clone(), mode);
                    for size in (1..14)
                        .flat_map(|rows| [1, 2, 3, 9, 40, 300].map(|columns| (columns, rows)))
                    {
                        drawn(&model, size, NOON + 9_000);
                    }
                }
            }
        }
    }
}

/// Who sees no colour reads the same.
#[test]
fn words_say_all_that_colours_say() {
    let mut model = model();
    for page in Page::ALL {
        model.page = page;
        model.settings.is_coloured = false;
        let plain = drawn(&model, (100, 30), NOON);
        assert!(
            plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        model.settings.is_coloured = true;
        let coloured = drawn(&model, (100, 30), NOON);
        assert_eq!(lines(&coloured), lines(&plain));
        let has_colours = coloured.content.iter().any(|cell| cell.fg != Color::Reset);
        assert!(has_colours || page == Page::History, "{page:?}");
    }
}

#[test]
fn as_text_there_is_nothing_for_keys() {
    let text = text(&model(), 80, NOON);
    let first =
        "Mutirão · principal localhost:50051 · época 1     ana (submitter) · 12:00:00 UTC\n";
    assert!(text.starts_with(&format!("{first}RECEBIDA 12 ")), "{text}");
    assert!(
        text.ends_with("default\n") && !text.contains("ajuda") && !text.contains('\x1b'),
        "{text}"
    );
}
