//! Several tokens of one user, and that an administrator can always enter.

use orquestrador_core::Limits;
use orquestrador_core::command::Role;

use crate::scene::*;

#[test]
fn a_user_has_several_tokens_each_of_its_own_name() {
    let given = || [add_user("ana", Role::Admin).into(), issue_token("ana", "ci", None).into()];
    check(
        given(),
        issue_token("ana", "cd", Some(9)),
        r#"ana has token cd until 9
        > users ["ana"]
        > token issued"#,
    );
    check(given(), issue_token("ana", "ci", None), "> refused: TokenKnown { name: \"ci\" }");
    check(
        given(),
        rotate_token("ana", "ci", Some(9)),
        r#"ana has token ci until 9
        > users ["ana"]
        > token issued"#,
    );
    check(
        given(),
        revoke_token("ana", "ci"),
        r#"ana lost token ci
        > users ["ana"]
        > token revoked"#,
    );
    check(given(), revoke_token("ana", "cd"), "> refused: TokenNotFound { name: \"cd\" }");
    check(given(), rotate_token("ana", "cd", None), "> refused: TokenNotFound { name: \"cd\" }");
    check(given(), issue_token("bia", "ci", None), "> refused: UserNotFound");
    check(given(), revoke_token("bia", "ci"), "> refused: UserNotFound");
}

#[test]
fn an_administrator_can_always_enter() {
    let ana = || add_user("ana", Role::Admin).into();
    check([ana()], revoke_token("ana", "main"), "> refused: LastAdmin");
    check([ana()], rotate_token("ana", "main", Some(9)), "> refused: LastAdmin");
    // What expires does not count, another administrator's does.
    let expiring = issue_token("ana", "ci", Some(9)).into();
    check([ana(), expiring], revoke_token("ana", "main"), "> refused: LastAdmin");
    let submitter = add_user("bia", Role::Submitter).into();
    check([ana(), submitter], revoke_token("ana", "main"), "> refused: LastAdmin");
    for other in [add_user("bia", Role::Admin), issue_token("ana", "ci", None)] {
        let mut scene = Scene::new(Limits::default());
        scene.step(0, add_user("ana", Role::Admin));
        scene.step(0, other);
        let revoked = lines(&scene.step(0, revoke_token("ana", "main")));
        assert_eq!(revoked.last().map(String::as_str), Some("> token revoked"), "{revoked:?}");
    }
    let left =
        [ana(), add_user("bia", Role::Admin).into(), rotate_token("bia", "main", Some(9)).into()];
    check(left, remove_user("ana"), "> refused: LastAdmin");
}

#[test]
fn tokens_that_expired_make_room() {
    let two = Limits { max_tokens: 2, ..Limits::default() };
    let given = || [add_user("ana", Role::Admin).into(), issue_token("ana", "ci", Some(5)).into()];
    let another = || issue_token("ana", "cd", None);
    let full = "> refused: TooManyTokens { most: 2 }";
    check_within(two.clone(), given(), At(4, another()), full);
    check_within(
        two,
        given(),
        At(5, another()),
        r#"ana lost token ci
        ana has token cd
        > users ["ana"]
        > token issued"#,
    );
}

#[test]
fn another_main_token_leaves_the_others() {
    let given = [
        add_user("ana", Role::Admin).into(),
        issue_token("ana", "ci", None).into(),
        add_user("ana", Role::Admin).into(),
    ];
    check(
        given,
        revoke_token("ana", "ci"),
        r#"ana lost token ci
        > users ["ana"]
        > token revoked"#,
    );
}
