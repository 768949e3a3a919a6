//! Who may do what to whose, tried on every call of the document.

use ecs_domain::permission::Permission;
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Identity, Secret};

use super::calls::{Call, Ids, Who, calls};
use super::scene::{Scene, key_for, key_for_all_but};
use crate::support::INTERNAL_KEY;

#[tokio::test]
async fn api1_broken_object_level_authorization() {
    let scene = Scene::set().await;
    let before = scene.belongings().await;
    let mut tried = 0;
    for call in calls() {
        // Whoever calls in their own name with an object of somebody else, and whoever calls in the victim's name.
        let mixed: Ids = [scene.ids.clone(), [("user_id", scene.other.id.to_string())].into()]
            .into_iter()
            .flatten()
            .collect();
        let ways = [Some(&scene.ids), call.names_an_object().then_some(&mixed)];
        for ids in ways.into_iter().flatten() {
            tried += usize::from(is_refused_to_another(&scene, &call, ids).await);
        }
    }
    assert!(tried > 20, "only {tried} ways were tried");
    assert_eq!(scene.belongings().await, before, "none of this changed anything of the victim's");
    the_victim_gets_through(&scene).await;
    scene.app.stop().await;
}

/// Tries the call as another customer, by every method. False where it is open to all who are known.
async fn is_refused_to_another(scene: &Scene, call: &Call, ids: &Ids) -> bool {
    let bearer = format!("Bearer {}", scene.app.token(scene.other.id, &[]));
    for method in call.methods() {
        let answer = scene.make(call, method, ids, &[("authorization", &bearer)]).await;
        let (asked, status) = (format!("{method} {}", call.path(ids)), answer.status.as_u16());
        scene.tells_nothing(&asked, &answer);
        match call.who {
            Who::Anyone => return false,
            Who::Token => {
                assert!(status < 500, "{asked}: {answer:?}");
                return false;
            }
            Who::ServiceKey(_) => assert_eq!(status, 401, "{asked}: {answer:?}"),
            Who::InPerson | Who::OwnOr(_) | Who::Permission(_) => {
                assert!(matches!(status, 403 | 404), "{asked}: {answer:?}");
            }
        }
    }
    true
}

/// Were the ids wrong, everybody would be refused, and nothing shown.
async fn the_victim_gets_through(scene: &Scene) {
    for call in calls() {
        if matches!(call.who, Who::InPerson | Who::OwnOr(_)) {
            let answer = scene.bearing(&call, &scene.ids, scene.victim.id, &[]).await;
            let status = answer.status.as_u16();
            assert!(!matches!(status, 401 | 403 | 404), "{} {}: {answer:?}", call.method, call.template);
        }
    }
}

#[tokio::test]
async fn api5_broken_function_level_authorization() {
    let scene = Scene::set().await;
    for call in calls().into_iter().filter(|call| call.who != Who::Anyone) {
        is_refused_to_strangers(&scene, &call).await;
        is_refused_with_every_right_but_its_own(&scene, &call).await;
    }
    // Last, because it has effects.
    for call in calls() {
        is_open_with_its_right_alone(&scene, &call).await;
    }
    scene.app.stop().await;
}

/// Without a credential, with one that was made up, and with a good one of the other kind.
async fn is_refused_to_strangers(scene: &Scene, call: &Call) {
    let made_up = Tokens::new(&SecretKey::new(Secret::new("another secret, of 32 bytes and more")).unwrap());
    let everything = Identity::with(scene.victim.id, Permission::ALL.iter().copied());
    let now = ecs_domain::Clock::now(&scene.app.clock);
    let made_up = made_up.issue(&everything, now, std::time::Duration::from_secs(3600)).unwrap();
    let made_up = format!("Bearer {made_up}");
    let good = format!("Bearer {}", scene.app.token(scene.victim.id, Permission::ALL));
    let of_the_other_kind = match call.who {
        Who::ServiceKey(_) => ("authorization", good.as_str()),
        _ => ("x-internal-key", INTERNAL_KEY),
    };
    let attempts: [&[(&str, &str)]; 4] = [
        &[],
        &[("authorization", &made_up), ("x-internal-key", "made up, and long enough")],
        &[("authorization", "Bearer null"), ("x-internal-key", "")],
        &[of_the_other_kind],
    ];
    for method in call.methods() {
        for credentials in attempts {
            let answer = scene.make(call, method, &scene.ids, credentials).await;
            assert_eq!(answer.status, 401, "{method} {} {credentials:?}: {answer:?}", call.template);
            scene.tells_nothing(call.template, &answer);
        }
    }
}

async fn is_refused_with_every_right_but_its_own(scene: &Scene, call: &Call) {
    let all_but = |own: Option<Permission>| -> Vec<Permission> {
        Permission::ALL.iter().copied().filter(|one| Some(*one) != own).collect()
    };
    let (ids, other) = (&scene.ids, scene.other.id);
    let answer = match call.who {
        Who::Anyone | Who::Token => return,
        Who::InPerson => scene.bearing(call, ids, other, &all_but(None)).await,
        Who::OwnOr(permission) | Who::Permission(permission) => {
            scene.bearing(call, ids, other, &all_but(Some(permission))).await
        }
        Who::ServiceKey(permission) => {
            let key = key_for_all_but(permission);
            scene.make(call, &call.method, ids, &[("x-internal-key", &key)]).await
        }
    };
    // What only its own id names looks as if it weren't there.
    let expect = if call.template == "/v1/decisions/{decision_id}" { 404 } else { 403 };
    assert_eq!(answer.status, expect, "{} {}: {answer:?}", call.method, call.template);
    scene.tells_nothing(call.template, &answer);
}

async fn is_open_with_its_right_alone(scene: &Scene, call: &Call) {
    let answer = match call.who {
        Who::Anyone | Who::Token | Who::InPerson => return,
        Who::OwnOr(permission) | Who::Permission(permission) => {
            scene.bearing(call, &scene.ids, scene.other.id, &[permission]).await
        }
        Who::ServiceKey(permission) => {
            let key = key_for(permission);
            scene.make(call, &call.method, &scene.ids, &[("x-internal-key", &key)]).await
        }
    };
    assert!(!matches!(answer.status.as_u16(), 401 | 403), "{} {}: {answer:?}", call.method, call.template);
}
