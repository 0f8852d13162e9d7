#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use chrono::DateTime;
use sqlx::{PgConnection, PgPool};

use super::lab_tests::{self, NewLabTest};
use super::medicines::{self, NewMedicine};
use super::{BATCH, Written, key, made_up, settle};
use crate::testing::{TestDb, database};

struct Shop {
    pool: PgPool,
    database: TestDb,
}

impl Shop {
    async fn open() -> Self {
        let database = database().await;
        Self { pool: crate::database::connect(&database.options, 2).await.unwrap(), database }
    }

    async fn of(names: &[(&str, &str)]) -> Self {
        let shop = Self::open().await;
        let batch: Vec<_> = names.iter().map(|(name, salts)| medicine(name, salts)).collect();
        let mut conn = shop.pool.acquire().await.unwrap();
        medicines::write(&mut conn, &batch, DateTime::UNIX_EPOCH).await.unwrap();
        medicines::recount(&mut conn).await.unwrap();
        shop
    }

    async fn found(&self, typed: &str, limit: i64) -> Vec<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        medicines::search(&mut conn, typed, limit).await.unwrap().into_iter().map(|line| line.name).collect()
    }
}

fn medicine(name: &str, salts: &str) -> NewMedicine {
    NewMedicine {
        name: name.to_owned(),
        composition: (!salts.is_empty()).then(|| salts.to_owned()),
        provider: "test".to_owned(),
        ..NewMedicine::default()
    }
}

const SHELF: [(&str, &str); 9] = [
    ("Amoxyclav 625 Tablet", "Amoxycillin + Clavulanic Acid"),
    ("Amoxyclav 375 Tablet", "Amoxycillin + Clavulanic Acid"),
    ("Genericart Paracetamol 650mg Tablet", "Paracetamol"),
    ("Paracetamol 500mg Tablet", "Paracetamol"),
    ("Dolo 650 Tablet", "Paracetamol"),
    ("Paramet Syrup", "Domperidone"),
    ("100% Pure_Water\\Injection", ""),
    ("पैरासिटामोल 500 टैबलेट", ""),
    ("Azithral 500 Tablet", "Azithromycin"),
];

#[tokio::test]
async fn names_that_begin_with_it_come_first_then_those_that_contain_it_then_salts() {
    let shop = Shop::of(&SHELF).await;
    assert_eq!(shop.found("amoxyclav", 10).await, ["Amoxyclav 375 Tablet", "Amoxyclav 625 Tablet"]);
    assert_eq!(
        shop.found("paracetamol", 10).await,
        ["Paracetamol 500mg Tablet", "Genericart Paracetamol 650mg Tablet", "Dolo 650 Tablet"]
    );
    assert_eq!(shop.found("  PARA ", 2).await, ["Paramet Syrup", "Paracetamol 500mg Tablet"]);
    assert_eq!(shop.found("clavulanic", 1).await, ["Amoxyclav 375 Tablet"]);
    assert_eq!(shop.found("पैरा", 5).await, ["पैरासिटामोल 500 टैबलेट"]);
    // Two letters are no salt, but a part of a name.
    assert_eq!(shop.found("ci", 5).await, Vec::<String>::new());
    assert_eq!(shop.found("th", 5).await, ["Azithral 500 Tablet"]);
}

#[tokio::test]
async fn two_letters_find_what_a_walk_through_all_names_finds() {
    let shop = Shop::open().await;
    let mut conn = shop.pool.acquire().await.unwrap();
    let shelf: Vec<NewMedicine> = made_up::medicines(1_500).collect();
    for batch in shelf.chunks(BATCH) {
        medicines::write(&mut conn, batch, DateTime::UNIX_EPOCH).await.unwrap();
    }
    medicines::recount(&mut conn).await.unwrap();
    let mut keys: Vec<String> = shelf.iter().map(|line| key(&line.name)).collect();
    keys.sort_by_key(|key| (key.chars().count(), key.clone()));
    for pair in ["ab", "ta", "et", "zo", "qx", "0m", "50", "-r"] {
        let begin = keys.iter().filter(|key| key.starts_with(pair));
        let contain = keys.iter().filter(|key| !key.starts_with(pair) && key.contains(pair));
        let expected: Vec<&String> = begin.chain(contain).take(25).collect();
        for limit in [1, 25] {
            let found = medicines::search(&mut conn, pair, limit).await.unwrap();
            let found: Vec<String> = found.into_iter().map(|line| key(&line.name)).collect();
            assert!(
                found.iter().eq(expected.iter().copied().take(usize::try_from(limit).unwrap())),
                "{pair} {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_later_phase_runs_only_while_there_is_room_and_nothing_comes_twice() {
    let shop = Shop::of(&SHELF).await;
    assert_eq!(shop.found("paracetamol", 1).await, ["Paracetamol 500mg Tablet"]);
    let all = shop.found("tablet", 25).await;
    assert_eq!(all.len(), 6, "{all:?}");
    let lengths: Vec<usize> = all.iter().map(String::len).collect();
    assert!(lengths.is_sorted(), "{all:?}");
    // Something was found, so nothing mistyped is looked for.
    assert_eq!(shop.found("amoxycillin", 25).await, ["Amoxyclav 375 Tablet", "Amoxyclav 625 Tablet"]);
}

#[tokio::test]
async fn typos_are_tolerated_when_nothing_else_is_found() {
    let shop = Shop::of(&SHELF).await;
    assert_eq!(shop.found("amoxyclv", 10).await, ["Amoxyclav 375 Tablet", "Amoxyclav 625 Tablet"]);
    assert_eq!(shop.found("amoxyclv 625", 10).await, ["Amoxyclav 625 Tablet"]);
    assert_eq!(
        shop.found("paracetmol", 10).await,
        ["Dolo 650 Tablet", "Paracetamol 500mg Tablet", "Genericart Paracetamol 650mg Tablet"]
    );
    assert_eq!(shop.found("paracetmol 650", 1).await, ["Dolo 650 Tablet"]);
    // Words in another order are no typo, and are found too.
    assert_eq!(shop.found("tablet 500 azithral", 10).await, ["Azithral 500 Tablet"]);
    // Two letters of several words stand for what begins with them.
    assert_eq!(shop.found("syrup pa", 10).await, ["Paramet Syrup"]);
    assert_eq!(shop.found("syrup et", 10).await, ["Paramet Syrup"]);
    // A known word that goes with none of the names does not hide the one that was meant.
    assert_eq!(shop.found("azitral syrup", 10).await, ["Azithral 500 Tablet"]);
    assert_eq!(shop.found("xqzw vvv", 10).await, Vec::<String>::new());
}

#[tokio::test]
async fn signs_of_patterns_are_letters_like_others() {
    let shop = Shop::of(&SHELF).await;
    for typed in ["100%", "pure_w", "water\\inj"] {
        assert_eq!(shop.found(typed, 10).await, ["100% Pure_Water\\Injection"], "{typed}");
    }
    for typed in ["%%", "__", "a%t", "p_r", "\\\\"] {
        assert_eq!(shop.found(typed, 10).await, Vec::<String>::new(), "{typed}");
    }
    assert_eq!(shop.found(&"a b % ".repeat(16), 10).await, Vec::<String>::new());
}

#[tokio::test]
async fn lab_tests_are_found_by_code_first() {
    let shop = Shop::open().await;
    let mut conn = shop.pool.acquire().await.unwrap();
    let batch = [
        ("Thyroid Profile, Free", "Z045"),
        ("Thyroid, Comprehensive Panel", "Z120"),
        ("Complete Blood Count", "CBC"),
        ("Blood count with film, cbc included", "CBCF"),
        ("CBC and ESR", "H100"),
        ("Reticulocytes, beside a cbc", "R007"),
    ]
    .map(|(name, code)| NewLabTest { name: name.to_owned(), code: code.to_owned(), provider: "test".to_owned() });
    lab_tests::write(&mut conn, &batch, DateTime::UNIX_EPOCH).await.unwrap();
    lab_tests::recount(&mut conn).await.unwrap();
    let codes = async |conn: &mut PgConnection, typed: &str, limit| -> Vec<String> {
        lab_tests::search(conn, typed, limit).await.unwrap().into_iter().map(|line| line.code).collect()
    };
    assert_eq!(codes(&mut conn, "thyroid", 5).await, ["Z045", "Z120"]);
    assert_eq!(codes(&mut conn, "cbc", 5).await, ["CBC", "CBCF", "H100", "R007"]);
    assert_eq!(codes(&mut conn, "CBC", 1).await, ["CBC"]);
    assert_eq!(codes(&mut conn, "z1", 5).await, ["Z120"]);
    assert_eq!(codes(&mut conn, "thyriod", 5).await, ["Z045", "Z120"]);
}

#[tokio::test]
async fn a_second_writing_changes_what_differs_and_nothing_else() {
    let shop = Shop::open().await;
    let mut conn = shop.pool.acquire().await.unwrap();
    let mut batch = [medicine("Dolo 650 Tablet", "Paracetamol"), medicine("Azithral  500 Tablet", "Azithromycin")];
    let (first, later) = (DateTime::UNIX_EPOCH, DateTime::from_timestamp(1_000, 0).unwrap());
    assert_eq!(medicines::write(&mut conn, &batch, first).await.unwrap(), Written { new: 2, changed: 0 });
    let before = medicines::search(&mut conn, "dolo", 1).await.unwrap().remove(0);
    assert_eq!(medicines::write(&mut conn, &batch, later).await.unwrap(), Written { new: 0, changed: 0 });
    // A text alone, and the same name in other letters.
    batch[0].uses = vec!["Fever".to_owned(), "Pain".to_owned()];
    batch[1].name = "AZITHRAL 500 tablet".to_owned();
    assert_eq!(medicines::write(&mut conn, &batch, later).await.unwrap(), Written { new: 0, changed: 2 });
    let after = medicines::find(&mut conn, before.id).await.unwrap().unwrap();
    assert_eq!((after.uses, after.created_at), (batch[0].uses.clone(), first));
    assert_eq!(shop.found("azithral", 5).await, ["AZITHRAL 500 tablet"]);
    assert!(medicines::any(&mut conn).await.unwrap() && !lab_tests::any(&mut conn).await.unwrap());
    settle(&shop.database.options).await.unwrap();
}
