use portcullis_domain::command::Command;
use portcullis_domain::event::Event;

use crate::case::given;

#[test]
fn segmentation_is_off_until_somebody_says_so_and_saying_it_again_changes_nothing() {
    let case = given();
    let by = case.operator("ann");
    let set = |on| Command::SetSegmentation { on, by };
    assert!(!case.state.is_segmented());
    assert_eq!(case.when(set(false)).unwrap(), []);
    assert_eq!(case.when(set(true)).unwrap(), [Event::SegmentationChanged { on: true, by, time: case.now }]);
    let case = case.after(set(true));
    assert!(case.state.is_segmented());
    assert_eq!(case.when(set(true)).unwrap(), []);
    assert_eq!(case.state.segmentation.map(|known| (known.by, known.since)), Some((by, case.now)));
    assert!(!case.after(set(false)).state.is_segmented());
}
