//! The terms of tasks: each is kept once, however many tasks have it, and only as long as something does.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::terms::Terms;

/// Names terms in the [`Book`]. Which number they have depends on the path that led to the state, so no decision,
/// event or digest may depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TermsId(u16);

#[derive(Clone, Default)]
struct Page {
    terms: Arc<Terms>,
    hash: u64,
    /// Tasks and arrays that have them; 0 when the page is empty.
    holders: u64,
}

#[derive(Default)]
pub struct Book {
    pages: Vec<Page>,
    empty: Vec<TermsId>,
    by_terms: BTreeMap<Arc<Terms>, TermsId>,
    policies: usize,
}

impl Book {
    /// One more has these terms. `None` when no number is left: who decides accepts fewer different ones.
    pub fn hold(&mut self, terms: &Terms) -> Option<TermsId> {
        let id = match self.by_terms.get(terms) {
            Some(id) => *id,
            None => self.insert(terms)?,
        };
        self.pages[usize::from(id.0)].holders += 1;
        Some(id)
    }

    fn insert(&mut self, terms: &Terms) -> Option<TermsId> {
        let shared = Arc::new(terms.clone());
        let page = Page { terms: Arc::clone(&shared), hash: terms.hash(), holders: 0 };
        let id = match self.empty.pop() {
            Some(id) => {
                self.pages[usize::from(id.0)] = page;
                id
            }
            None => {
                let id = TermsId(u16::try_from(self.pages.len()).ok()?);
                self.pages.push(page);
                id
            }
        };
        self.by_terms.insert(shared, id);
        self.policies += usize::from(terms.retry.is_some());
        Some(id)
    }

    /// One more has terms that something has already.
    pub fn hold_again(&mut self, id: TermsId) -> TermsId {
        self.pages[usize::from(id.0)].holders += 1;
        id
    }

    pub fn release(&mut self, id: TermsId) {
        let page = &mut self.pages[usize::from(id.0)];
        page.holders -= 1;
        if page.holders == 0 {
            self.by_terms.remove(&page.terms);
            self.policies -= usize::from(page.terms.retry.is_some());
            *page = Page::default();
            self.empty.push(id);
        }
    }

    /// Of terms that something has.
    pub fn hash_of(&self, id: TermsId) -> u64 {
        self.pages[usize::from(id.0)].hash
    }

    pub fn has(&self, terms: &Terms) -> bool {
        self.by_terms.contains_key(terms)
    }

    /// Different ones that say more than the delivery.
    pub fn policies(&self) -> usize {
        self.policies
    }

    /// As they are now.
    pub fn share(&self) -> Shared {
        Shared(self.pages.iter().map(|page| Arc::clone(&page.terms)).collect())
    }

    /// How many have each of them; for the invariants.
    pub fn holders(&self) -> u64 {
        self.pages.iter().map(|page| page.holders).sum()
    }
}

/// The terms of a moment.
pub struct Shared(Vec<Arc<Terms>>);

impl std::ops::Index<TermsId> for Shared {
    type Output = Terms;

    /// Of terms that something had then.
    fn index(&self, id: TermsId) -> &Terms {
        &self.0[usize::from(id.0)]
    }
}

impl std::ops::Index<TermsId> for Book {
    type Output = Terms;

    /// Of terms that something has.
    fn index(&self, id: TermsId) -> &Terms {
        &self.pages[usize::from(id.0)].terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Delivery;
    use crate::terms::RetryPolicy;

    fn terms(max_attempts: u16) -> Terms {
        let (first_delay_ms, max_delay_ms, codes) = (1, 1, Vec::new());
        let retry = RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, codes };
        Terms { delivery: Delivery::AtLeastOnce, retry: Some(Box::new(retry)) }
    }

    #[test]
    fn terms_are_kept_once_and_as_long_as_something_has_them() {
        let mut book = Book::default();
        let first = book.hold(&terms(2)).expect("room");
        assert_eq!(book.hold(&terms(2)), Some(first));
        let other = book.hold(&terms(3)).expect("room");
        assert_eq!((book.policies(), book.holders()), (2, 3));
        book.hold(&Delivery::AtMostOnce.into()).expect("room");
        assert_eq!((book.policies(), book.holders()), (2, 4));
        book.release(first);
        assert_eq!(book[first], terms(2));
        book.release(first);
        assert!(!book.has(&terms(2)) && book.has(&terms(3)));
        let again = book.hold(&terms(4)).expect("room");
        assert_eq!((again, &book[again], &book[other]), (first, &terms(4), &terms(3)));
        assert_eq!(book.hash_of(again), terms(4).hash());
    }

    #[test]
    fn there_are_as_many_as_have_a_number() {
        let mut book = Book::default();
        let numbered = |number: u32| {
            let mut terms = terms(2);
            terms.retry.as_mut().expect("is there").first_delay_ms = number;
            terms
        };
        for number in 0..=u32::from(u16::MAX) {
            assert!(book.hold(&numbered(number)).is_some());
        }
        assert!(book.hold(&terms(3)).is_none());
        assert!(book.hold(&numbered(7)).is_some(), "one that is there");
    }
}
