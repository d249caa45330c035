use orquestrador_core::command::Role;
use orquestrador_core::ids::{RequestId, Timestamp};
use orquestrador_core::{Command, Effect, Limits, Step};

use crate::scene::*;

#[test]
fn the_first_user_must_be_an_administrator() {
    check([], add_user("ana", Role::Submitter), "> refused: FirstUserNotAdmin");
    check(
        [],
        add_user("ana", Role::Admin),
        r#"added ana as Admin
        > users ["ana"]
        > user added"#,
    );
}

#[test]
fn users_are_added_and_replaced() {
    check(
        [add_user("ana", Role::Admin).into(), add_user("bia", Role::Submitter).into()],
        add_user("bia", Role::Admin),
        r#"added bia as Admin
        > users ["ana", "bia"]
        > user added"#,
    );
    check(
        [add_user("bia", Role::Admin).into(), add_user("ana", Role::Submitter).into()],
        Command::ListUsers { request: RequestId(1) },
        "> users ana, bia admin",
    );
}

#[test]
fn once_there_are_users_one_is_an_administrator() {
    let given = || [add_user("ana", Role::Admin).into(), add_user("bia", Role::Submitter).into()];
    check(given(), remove_user("ana"), "> refused: LastAdmin");
    check(given(), add_user("ana", Role::Submitter), "> refused: LastAdmin");
    check(
        [add_user("ana", Role::Admin).into()],
        add_user("ana", Role::Submitter),
        "> refused: FirstUserNotAdmin",
    );
    check(
        given(),
        remove_user("bia"),
        r#"removed bia
        > users ["ana"]
        > user removed"#,
    );
    // No user at all would open the cluster to the demo's credentials again.
    check([add_user("ana", Role::Admin).into()], remove_user("ana"), "> refused: LastAdmin");
    check([], remove_user("ana"), "> refused: UserNotFound");
}

#[test]
fn beyond_the_limit_users_are_replaced_but_not_added() {
    let one = Limits { max_users: 1, ..Limits::default() };
    let given = || [add_user("ana", Role::Admin).into()];
    check_within(one.clone(), given(), add_user("bia", Role::Admin), "> refused: TooManyUsers");
    check_within(
        one,
        given(),
        add_user("ana", Role::Admin),
        r#"added ana as Admin
        > users ["ana"]
        > user added"#,
    );
}

#[test]
fn a_new_principal_tells_its_users() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, add_user("ana", Role::Admin));
    let mut step = Step::default();
    scene.rebuilt().take_office(Timestamp(0), &mut step);
    assert!(matches!(&step.effects[..], [Effect::UsersChanged { users }] if users.len() == 1));
}
