//! Streams, over two instances of the role and one store.

use std::time::Duration;

use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_notification::StreamOptions;
use ecs_web::Identity;
use ecs_work_testkit::platform::until;
use http::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Instance, LIFETIME, Scene, Sent, Stream};

fn ids(events: &[Sent]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_the_list_says_in_order() {
    let scene = Scene::open();
    let (user, other) = (scene.platform.user().await, scene.platform.user().await);
    scene.tell(user, 2).await;
    let mut stream = scene.stream(Instance::Keeping, user, None).await;
    scene.tell(other, 1).await;
    scene.tell(user, 2).await;
    let events = stream.events(2).await;
    assert_eq!(ids(&events), ["3", "4"], "from now on, and nothing of others");
    assert!(events.iter().all(|event| event.event == "notification"), "{events:?}");
    let (_, page) = scene.get(&format!("/v1/users/{user}/notifications"), Some(Identity::of(user))).await;
    let data: Vec<Value> = events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
    assert_eq!(data, [page["items"][1].clone(), page["items"][0].clone()]);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_instances_tell_the_same_though_one_consumes() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let mut keeping = scene.stream(Instance::Keeping, user, None).await;
    let mut other = scene.stream(Instance::Other, user, None).await;
    for _ in 0..5 {
        scene.tell(user, 30).await;
    }
    let (here, there) = (keeping.events(150).await, other.events(150).await);
    assert_eq!(here, there);
    let expected: Vec<String> = (1..=150).map(|number| number.to_string()).collect();
    assert_eq!(ids(&here), expected);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_at_the_other_instance_without_gap_or_repetition() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let mut seen: Vec<String> = Vec::new();
    let mut instances = [Instance::Keeping, Instance::Other].into_iter().cycle();
    while seen.len() < 60 {
        let last = seen.last().cloned();
        let mut stream = scene.stream(instances.next().unwrap(), user, last.as_deref().or(Some("0"))).await;
        // Some of these come while the stream is open, some while it isn't.
        scene.tell(user, 12).await;
        seen.extend(stream.events(7).await.into_iter().map(|event| event.id));
    }
    assert!(seen.iter().map(|id| id.parse::<usize>().unwrap()).eq(1..=seen.len()), "{seen:?}");
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_where_it_is_told_to() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    scene.tell(user, 3).await;
    let path = format!("/v1/users/{user}/notifications/stream");
    let first_id = async |query: &str, header: Option<&str>| {
        let mut request = scene.request(Method::GET, &format!("{path}{query}"), Some(&Identity::of(user)));
        if let Some(header) = header {
            request.headers_mut().insert("last-event-id", header.parse().unwrap());
        }
        let mut stream = Stream::of(scene.send(Instance::Other, request).await.into_body());
        stream.event().await.unwrap().id
    };
    assert_eq!(first_id("?after=0", None).await, "1");
    assert_eq!(first_id("?after=1", None).await, "2");
    assert_eq!(first_id("?after=0", Some("2")).await, "3", "the header is the newer word");
    let mut ahead = scene.stream(Instance::Keeping, user, Some("9")).await;
    scene.tell(user, 1).await;
    assert_eq!(ahead.event().await.unwrap().id, "4");
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_headers_that_keep_it_open_and_private() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let path = format!("/v1/users/{user}/notifications/stream");
    let answer =
        scene.send(Instance::Keeping, scene.request(Method::GET, &path, Some(&Identity::of(user)))).await;
    for (name, expect) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(answer.headers()[name], expect);
    }
    let mut stream = Stream::of(answer.into_body());
    let hint = stream.block().await.unwrap();
    assert!(hint.strip_prefix("retry: ").unwrap().parse::<u32>().unwrap() >= 1_000, "{hint}");
    assert_eq!(stream.block().await.unwrap(), ": heartbeat");
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_every_stream() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let streams = [Instance::Keeping, Instance::Other].map(|instance| scene.stream(instance, user, None));
    let streams = futures::future::join_all(streams).await;
    scene.stopping.cancel();
    for mut stream in streams {
        let end = stream.event().await.unwrap();
        assert_eq!((end.event.as_str(), end.data.as_str()), ("end", "{\"reason\":\"stopping\"}"));
        assert_eq!((end.id.as_str(), stream.event().await), ("", None));
    }
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let mut stream = scene.stream(Instance::Keeping, user, None).await;
    scene.tell(user, 1).await;
    assert_eq!(stream.event().await.unwrap().id, "1");
    scene.platform.clock.advance(LIFETIME);
    let end = stream.event().await.unwrap();
    assert_eq!((end.event.as_str(), end.data.as_str()), ("end", "{\"reason\":\"expired\"}"));
    assert_eq!(stream.event().await, None);
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_for_their_user_and_for_readers() {
    let scene = Scene::open();
    let user = scene.platform.user().await;
    let stranger = UserId::new(Uuid::new_v4());
    let own = Identity::of(user);
    let path = format!("/v1/users/{user}/notifications/stream");
    let check = async |path: &str, identity: Option<&Identity>, expect: u16, field: Option<&str>| {
        // HEAD says the same, and comes to its end.
        let (status, _) = scene.call(scene.request(Method::HEAD, path, identity)).await;
        assert_eq!(status.as_u16(), expect, "HEAD {path} {identity:?}");
        let request = scene.request(Method::GET, path, identity);
        if expect == 200 {
            assert_eq!(scene.send(Instance::Keeping, request).await.status().as_u16(), expect);
            return;
        }
        let (status, problem) = scene.call(request).await;
        let named = problem["errors"][0]["field"].as_str();
        assert_eq!((status.as_u16(), named), (expect, field), "{path} {identity:?}: {problem}");
    };
    check(&path, None, 401, None).await;
    check(&path, Some(&Identity::of(stranger)), 403, None).await;
    check(&format!("{path}?after=x"), Some(&Identity::of(stranger)), 403, None).await;
    check(&path, Some(&Identity::with(stranger, [Permission::OperationsRead])), 403, None).await;
    check(&path, Some(&Identity::with(stranger, [Permission::UsersReadAny])), 200, None).await;
    check(&path, Some(&own), 200, None).await;
    check("/v1/users/me/notifications/stream", Some(&own), 422, Some("user_id")).await;
    check(&format!("{path}?after=x"), Some(&own), 422, Some("after")).await;
    check(&format!("{path}?after=1&after=2"), Some(&own), 400, None).await;
    let mut request = scene.request(Method::GET, &path, Some(&own));
    request.headers_mut().insert("last-event-id", "x".parse().unwrap());
    let (status, problem) = scene.call(request).await;
    assert_eq!((status.as_u16(), problem["errors"][0]["field"].as_str()), (422, Some("Last-Event-ID")));
    scene.platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_cap_a_stream_has_to_wait_for_another_to_close() {
    let limits = StreamOptions { max_streams: 3, max_streams_of_one: 2, ..StreamOptions::default() };
    let scene = Scene::with(limits);
    let users = [scene.platform.user().await, scene.platform.user().await];
    let open = async |user: UserId| {
        let path = format!("/v1/users/{user}/notifications/stream");
        let request = scene.request(Method::GET, &path, Some(&Identity::of(user)));
        scene.send(Instance::Keeping, request).await
    };
    let refused = async |user: UserId| {
        let answer = open(user).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(Duration::from_secs(after) > Duration::ZERO);
    };
    let mut streams = vec![open(users[0]).await, open(users[0]).await];
    refused(users[0]).await;
    streams.push(open(users[1]).await);
    refused(users[1]).await;
    assert!(streams.iter().all(|answer| answer.status() == StatusCode::OK));
    streams.remove(0);
    let reopened = || async { open(users[1]).await.status() == StatusCode::OK };
    until("a seat is free again", reopened).await;
    scene.platform.drain().await;
}
