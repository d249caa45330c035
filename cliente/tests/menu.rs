//! The interactive menu against a scripted pair, through pipes.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};

use common::exit;
use support::stage::{Stage, with_bytes, with_input};
use support::{Mood, TOKEN};

#[test]
fn the_menu_follows_the_guide() {
    let stage = Stage::working();
    let input =
        format!("ana\nwrong\nana\n{TOKEN}\n1\nsomar vendas\n2\n\n8\n3\n4\n\n5\nx\n\n6\n7\n");
    let run = with_input(stage.stranger(&["menu"]), &input);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let id = stage.pair.store().tasks.keys().next().cloned().expect("was submitted");
    let mut rest = run.stdout.as_str();
    for words in [
        "Usuário: \nToken: \n",
        "Usuário ou token inválido; tente de novo.\n",
        "Usuário: \nToken: \n",
        "1: Submeter Tarefa\n2: Verificar Status de Tarefa\n3: Listar Tarefas\n4: Acompanhar Tarefa\n\
         5: Cancelar Tarefa\n6: Workers e Cluster\n7: Sair\n",
        &format!("Tarefa submetida: {id}\nStatus: RECEBIDA (gravada no principal e no backup)\n"),
        &format!("ID da tarefa [{id}]: "),
        "CONCLUIDA",
        r#"Resultado: {"description":"somar vendas"}"#,
        "Opção inválida; digite um número de 1 a 7.\n",
        "TAREFA",
        "CONCLUIDA",
        "`x` não é o ID de uma tarefa",
        "A tarefa já terminou",
        "principal",
        "Até logo.\n",
    ] {
        let Some(at) = rest.find(words) else { panic!("no `{words}` in {rest}") };
        rest = &rest[at + words.len()..];
    }
    assert_eq!(rest, "");
}

#[test]
fn the_end_of_the_input_leaves_the_menu() {
    let stage = Stage::working();
    for input in ["", "ana\n", &format!("ana\n{TOKEN}\n"), &format!("ana\n{TOKEN}\n1\n")] {
        let run = with_input(stage.stranger(&["--lang", "en", "menu"]), input);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.ends_with("Goodbye.\n"), "{run:?}");
    }
}

#[test]
fn the_menu_survives_a_failover_and_says_so() {
    let mut stage = Stage::working();
    let mut child = stage.spawn(&["menu"]);
    let mut input = child.stdin.take().expect("is piped");
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let mut until = |words: &str| {
        lines.by_ref().map_while(Result::ok).find(|line| line.contains(words)).expect(words)
    };
    input.write_all(b"1\nantes\n").expect("is read");
    until("Tarefa submetida");
    stage.principal.kill();
    stage.standby.set_epoch(2);
    stage.standby.set(Mood::Principal);
    input.write_all(b"2\n\n").expect("is read");
    until("CONCLUIDA");
    let told = until("Reconectado ao outro orquestrador");
    assert!(told.contains(&stage.standby.address()), "{told}");
    input.write_all(b"7\n").expect("is read");
    until("Até logo.");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn what_says_nothing_is_asked_again() {
    let stage = Stage::working();
    let run =
        with_input(stage.stranger(&["menu"]), &format!("\nana\n{TOKEN}\n1\n\n  \nsomar\n7\n"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Digite o nome do usuário."), "{run:?}");
    assert_eq!(run.stdout.matches("Escreva o que a tarefa deve fazer.").count(), 2, "{run:?}");
    assert_eq!(stage.pair.store().tasks.len(), 1);
}

#[test]
fn what_is_no_text_ends_the_menu_and_says_so() {
    let stage = Stage::working();
    let mut input = format!("ana\n{TOKEN}\n1\n").into_bytes();
    input.extend(b"\xff\n");
    let run = with_bytes(stage.stranger(&["menu"]), &input);
    assert_eq!(run.code, i32::from(exit::USAGE), "{run:?}");
    assert_eq!(run.stderr, "stdin não é texto UTF-8.\n");
}
