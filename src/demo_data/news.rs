//! Articles and events in the demo: general advice in plain words, and dates around the day it was made. Nobody is told.

use chrono::{NaiveTime, TimeDelta};
use consilium_storage::connect::community::articles::{self, Article};
use consilium_storage::connect::community::events::{self, CommunityEvent, EventType};
use consilium_storage::demo;
use consilium_storage::ids::{ArticleId, CommunityEventId};
use consilium_storage::tx::Tx;

use crate::error::Result;

struct Written {
    title: &'static str,
    excerpt: &'static str,
    content: &'static str,
    category: &'static str,
    author: Option<&'static str>,
    days_ago: i64,
}

const ARTICLES: [Written; 5] = [
    Written {
        title: "5 Tips for Better Sleep",
        excerpt: "Small habits that make falling asleep easier, and what to leave out after sunset.",
        content: "Go to bed and get up at the same time every day, also at weekends.\n\nKeep the bedroom dark, quiet and \
                  cool.\n\nPut screens away an hour before.\n\nDrink tea and coffee before the afternoon only.\n\nWho has \
                  slept badly for more than three weeks should talk to a doctor: there is often a cause that can be treated.",
        category: "wellness",
        author: Some("Dr. Leela Menon"),
        days_ago: 2,
    },
    Written {
        title: "When a Fever Needs a Doctor",
        excerpt: "Most fevers pass by themselves. These are the signs not to wait with.",
        content: "A fever is the body at work, not an illness of its own. Rest, drink enough, and watch how you feel.\n\nAsk \
                  a doctor when it lasts more than three days, comes back after a pause, or comes with a rash, trouble \
                  breathing, a stiff neck or confusion.\n\nBabies under three months with a fever should be seen the same day.",
        category: "general health",
        author: Some("Dr. Rohan Kulkarni"),
        days_ago: 6,
    },
    Written {
        title: "Reading Your Blood Pressure",
        excerpt: "What the two numbers mean, and how to measure so that they can be compared.",
        content: "The first number is the pressure when the heart beats, the second between two beats.\n\nSit for five \
                  minutes before you measure, feet on the floor, the arm at the height of the heart, and do not talk.\n\n\
                  Write down the time with each value: one high value says little, a week of values says much.",
        category: "heart",
        author: Some("Dr. Sukhdev Gill"),
        days_ago: 11,
    },
    Written {
        title: "Preparing for a Consultation",
        excerpt: "Five minutes beforehand make the talk with your doctor twice as useful.",
        content: "Note since when you have the complaint, what makes it better, and what you have tried.\n\nHave the names \
                  of your medicines at hand, and earlier findings as files.\n\nWrite down your most important question. It \
                  is asked first.",
        category: "wellness",
        author: None,
        days_ago: 19,
    },
    Written {
        title: "Skin in the Rainy Season",
        excerpt: "Why fungi like the monsoon, and what keeps them away.",
        content: "Dry the folds of the skin well after each shower, and change wet clothes and shoes.\n\nDo not share \
                  towels.\n\nA round, itching, scaly patch that grows should be shown to a doctor before any cream with \
                  cortisone touches it.",
        category: "skin",
        author: Some("Dr. Meera Iyer"),
        days_ago: 30,
    },
];

struct Planned {
    title: &'static str,
    description: &'static str,
    event_type: EventType,
    category: &'static str,
    /// From the day of the seeding; negative is past.
    in_days: i64,
    /// Hour and minute in UTC.
    at: (u32, u32),
}

const EVENTS: [Planned; 4] = [
    Planned {
        title: "Health Awareness Webinar",
        description: "Join us for an hour on diabetes: who should be tested, what the values mean, and your questions.",
        event_type: EventType::Online,
        category: "wellness",
        in_days: 9,
        at: (12, 30),
    },
    Planned {
        title: "Blood Pressure Camp",
        description: "Free measurements and a talk with a nurse, in the town hall. No appointment needed.",
        event_type: EventType::InPerson,
        category: "heart",
        in_days: 23,
        at: (4, 30),
    },
    Planned {
        title: "First Aid for Parents",
        description: "Choking, burns, falls: a course in the room and on the screen, with practice on dolls for those there.",
        event_type: EventType::Hybrid,
        category: "children",
        in_days: 41,
        at: (5, 0),
    },
    Planned {
        title: "Yoga for the Back",
        description: "Forty minutes of gentle exercises for people who sit all day.",
        event_type: EventType::Online,
        category: "wellness",
        in_days: -15,
        at: (1, 30),
    },
];

/// An admin may have removed some: they are made only where there is none of their kind at all.
pub(super) async fn seed(tx: &mut Tx) -> Result<()> {
    let now = tx.now();
    if !demo::has_articles(tx.conn()).await? {
        for written in &ARTICLES {
            let published_at = now - TimeDelta::days(written.days_ago);
            let article = Article {
                id: ArticleId::new(),
                title: written.title.to_owned(),
                excerpt: written.excerpt.to_owned(),
                content: written.content.to_owned(),
                category: Some(written.category.to_owned()),
                author: written.author.map(str::to_owned),
                image_url: None,
                published_at,
                updated_at: published_at,
            };
            articles::insert(tx.conn(), &article).await?;
        }
    }
    if !demo::has_community_events(tx.conn()).await? {
        for planned in &EVENTS {
            let day = now.date_naive() + TimeDelta::days(planned.in_days);
            let time = NaiveTime::from_hms_opt(planned.at.0, planned.at.1, 0).unwrap_or_default();
            let event = CommunityEvent {
                id: CommunityEventId::new(),
                title: planned.title.to_owned(),
                description: planned.description.to_owned(),
                event_date: day.and_time(time).and_utc(),
                event_type: planned.event_type,
                category: Some(planned.category.to_owned()),
                image_url: None,
                created_at: now - TimeDelta::days(20),
            };
            events::insert(tx.conn(), &event).await?;
        }
    }
    Ok(())
}
