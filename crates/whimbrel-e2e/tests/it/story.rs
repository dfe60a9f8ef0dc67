use whimbrel_e2e::story;

#[tokio::test]
async fn the_story_of_the_demo_converges() {
    let directory = tempfile::tempdir().unwrap();
    let mut chapters = 0;
    let mut narrate =
        |line: story::Line<'_>| chapters += usize::from(matches!(line, story::Line::Chapter(_)));
    let told = story::tell(directory.path(), &mut narrate).await.unwrap();
    assert!(told.verdict.converged, "{:#?}", told.verdict);
    assert_eq!((told.verdict.sent, chapters), (10, 10));
}
