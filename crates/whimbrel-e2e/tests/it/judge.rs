//! The judge must be able to say no.

use std::path::PathBuf;
use whimbrel::model::{ChannelId, MessageId, UserId};
use whimbrel_e2e::{
    agent, check,
    check::{Device, Expected, Promise, Reacted, Unsure, judge},
    server, story,
};

struct Files {
    directory: tempfile::TempDir,
    devices: Vec<(UserId, PathBuf)>,
    promises: Vec<Promise>,
}

impl Files {
    async fn of_a_story() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let told = story::tell(directory.path(), &mut |_| {}).await.unwrap();
        assert!(told.verdict.converged, "{:#?}", told.verdict);
        let device = |user: &str| {
            (
                UserId::new(user).unwrap(),
                agent::database(&directory.path().join(user)).unwrap(),
            )
        };
        let devices = vec![device("ada"), device("bob")];
        Self {
            directory,
            devices,
            promises: told.promises,
        }
    }

    async fn judge(&self, promises: &[Promise]) -> check::Verdict {
        self.judge_all(&Expected::messages(promises)).await
    }

    async fn judge_all(&self, expected: &Expected) -> check::Verdict {
        let devices: Vec<_> = self
            .devices
            .iter()
            .map(|(user, path)| Device {
                name: user.as_str(),
                user: user.clone(),
                path,
            })
            .collect();
        judge(expected, &server::database(self.directory.path()), &devices)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn the_judge_tells_lost_doubled_and_reordered_messages_from_good_ones() {
    let files = Files::of_a_story().await;

    // Nothing was promised: all nine messages are too much, on the server and on both devices. The tenth was deleted
    // before it was sent.
    let verdict = files.judge(&[]).await;
    assert_eq!(
        (verdict.converged, verdict.lost, verdict.duplicated),
        (false, 0, 27)
    );

    // What was promised is not there: lost on the server and on both devices.
    let promise = Promise {
        id: "0190aaaa-0000-7000-8000-000000000001"
            .parse::<MessageId>()
            .unwrap(),
        cid: ChannelId::new("messaging:ocean").unwrap(),
        author: UserId::new("ada").unwrap(),
        device: "ada".to_owned(),
        texts: vec![Some("never sent".to_owned())],
    };
    let verdict = files.judge(&[promise]).await;
    assert_eq!((verdict.converged, verdict.lost), (false, 3));

    // Two messages of one author the other way round: out of order, and nothing else.
    let mut swapped = files.promises.clone();
    swapped.swap(0, 2);
    assert_eq!(
        (swapped[0].author.as_str(), swapped[2].author.as_str()),
        ("ada", "ada")
    );
    let verdict = files.judge(&swapped).await;
    assert_eq!(
        (
            verdict.converged,
            verdict.lost,
            verdict.duplicated,
            verdict.reordered
        ),
        (false, 0, 0, 1)
    );

    // Another text than the last one written is a lost edit, in all three places.
    let mut other = files.promises.clone();
    other[0].texts = vec![Some("something else".to_owned())];
    assert_eq!(files.judge(&other).await.lost, 3);
    assert!(files.judge(&files.promises).await.converged);
}

#[tokio::test]
async fn the_judge_lets_an_unsure_message_be_there_once_and_misses_what_is_certain() {
    let files = Files::of_a_story().await;
    let mut expected = Expected::messages(&files.promises);
    let first = expected.promises.remove(0);
    let text = first.texts[0].clone().unwrap();
    expected.unsure.push(Unsure {
        cid: first.cid.clone(),
        author: first.author.clone(),
        text,
    });
    let absent = Unsure {
        text: "never arrived".to_owned(),
        ..expected.unsure[0].clone()
    };
    expected.unsure.push(absent);
    let verdict = files.judge_all(&expected).await;
    assert!(verdict.converged, "{verdict:#?}");

    // A channel and the reaction of a story that nobody made, and one that is there and should not be.
    expected.channels.push("messaging:nowhere".parse().unwrap());
    let reacted = |kind: &str, there| Reacted {
        message: first.id,
        user: "bob".parse().unwrap(),
        kind: kind.parse().unwrap(),
        there,
    };
    expected.reactions = vec![
        reacted("👋", true),
        reacted("👋", false),
        reacted("🎉", true),
        reacted("🎉", false),
    ];
    let verdict = files.judge_all(&expected).await;
    assert_eq!(
        (verdict.converged, verdict.lost, verdict.duplicated),
        (false, 3, 0)
    );
}
