//! The forms that this process has read, so that a response costs no reading. Whether a form is still the survey's is for the
//! statement that stores the response to say.

use super::form::Form;
use crate::values::{QuestionId, SurveyId};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bytes of all forms that are kept, more or less. A survey of 20 questions has some 40 kB.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The forms that were used last, the oldest first.
#[derive(Default)]
pub struct Forms(Mutex<VecDeque<Arc<Form>>>);

impl Forms {
    /// The form of a survey.
    pub(super) fn of_survey(&self, survey: SurveyId) -> Option<Arc<Form>> {
        self.used(|form| form.survey == survey)
    }

    /// The form that has this question.
    pub(super) fn of_question(&self, question: QuestionId) -> Option<Arc<Form>> {
        self.used(|form| form.question(question).is_some())
    }

    /// Keep a form in place of an older one of its survey, as long as there is room.
    pub(super) fn keep(&self, form: Form) -> Arc<Form> {
        let form = Arc::new(form);
        if form.bytes > MAX_BYTES {
            return form;
        }
        let mut forms = self.lock();
        forms.retain(|other| other.survey != form.survey);
        forms.push_back(form.clone());
        while forms.iter().map(|form| form.bytes).sum::<usize>() > MAX_BYTES {
            forms.pop_front();
        }
        form
    }

    fn used(&self, wanted: impl Fn(&Form) -> bool) -> Option<Arc<Form>> {
        let mut forms = self.lock();
        let place = forms.iter().position(|form| wanted(form))?;
        let form = forms.remove(place)?;
        forms.push_back(form.clone());
        Some(form)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Form>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
