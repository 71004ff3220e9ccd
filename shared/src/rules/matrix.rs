//! `matrix`: an object that gives each row a column, or a list of columns.

use super::{
    Counts, QuestionType, Range, Rules, Tally,
    counts::share,
    object,
    options::{Options, option_value},
    read,
};
use crate::values::{Fault, FaultCode, FieldErrors, Flag, json::beginning, text::Whole};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) struct Matrix {
    rows: Options,
    columns: Options,
    multiple: bool,
    min_rows: usize,
}

impl QuestionType for Matrix {
    fn define(reply_content: Option<&Value>) -> Result<Self, FieldErrors> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            rows: Options,
            columns: Options,
            multiple: Option<Flag>,
            min_rows: Option<Whole<0, 100_000>>,
        }
        let Given { rows, columns, multiple, min_rows } = read(reply_content)?;
        let min_rows = usize::try_from(min_rows.map_or(0, Whole::get)).unwrap_or_default();
        if min_rows > rows.live() {
            return Err(FieldErrors::one("minRows", format!("there are only {} rows", rows.live())));
        }
        Ok(Self { rows, columns, multiple: multiple.is_some_and(|multiple| multiple.0), min_rows })
    }

    fn check(&self, answer: &Value) -> Result<(), Vec<Fault>> {
        let rows = answer.as_object().ok_or_else(|| {
            Fault::new(FaultCode::WrongType, "must be an object with a column for each row")
        })?;
        let faults = rows.iter().filter_map(|(row, columns)| {
            self.check_row(row, columns).err().map(|fault| fault.of_row(&beginning(row)))
        });
        let faults: Vec<_> = faults.collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        if rows.len() < self.min_rows {
            let text = format!("at least {} rows must be answered", self.min_rows);
            return Err(Fault::new(FaultCode::TooFew, text).into());
        }
        Ok(())
    }

    fn count(&self, answer: &Value, _: NaiveDate, tallies: &mut Vec<Tally>) {
        for (row, columns) in answer.as_object().into_iter().flatten() {
            tallies.push(Tally::new("cell", row));
            let columns = columns.as_array().map_or(std::slice::from_ref(columns), Vec::as_slice);
            let cell =
                |column| Tally::new("cell", format!("{row}\n{}", option_value(column).unwrap_or_default()));
            tallies.extend(columns.iter().map(cell));
        }
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        let cells = |row: String| {
            let cells =
                self.columns.values().map(|column| ("cell", format!("{row}\n{column}"))).collect::<Vec<_>>();
            std::iter::once(("cell", row)).chain(cells)
        };
        self.rows.values().flat_map(cells).collect()
    }

    fn summary(&self, counts: &Counts, _: Range) -> Map<String, Value> {
        let rows = self.rows.0.iter().map(|row| {
            let answered = counts.n("cell", &row.value);
            let cells = self.columns.0.iter().map(|column| {
                let n = counts.n("cell", &format!("{}\n{}", row.value, column.value));
                json!({ "column": column.value, "count": n, "share": share(n, answered) })
            });
            json!({ "row": row.value, "count": answered, "retired": row.retired, "cells": cells.collect::<Value>() })
        });
        object([("rows", rows.collect())])
    }

    fn bytes(&self) -> usize {
        // A cell is stored under the names of both.
        let names: usize = self.rows.values().map(|row| row.len()).sum();
        self.rows.bytes() + self.rows.0.len() * self.columns.bytes() + self.columns.0.len() * names
    }

    fn lost_in(&self, new: &Rules, counts: &Counts) -> Option<String> {
        let new = new.0.as_matrix()?;
        let column_in_use =
            |value: &str| counts.parts("cell").any(|(cell, _)| cell.split('\n').nth(1) == Some(value));
        let lost = self.rows.missing_in(&new.rows, |value| counts.n("cell", value) > 0);
        lost.or_else(|| self.columns.missing_in(&new.columns, column_in_use))
    }

    fn can_become(&self, new: &Rules) -> bool {
        new.0.as_matrix().is_some_and(|new| new.multiple == self.multiple)
    }

    fn as_matrix(&self) -> Option<&Matrix> {
        Some(self)
    }
}

impl Matrix {
    fn check_row(&self, row: &str, columns: &Value) -> Result<(), Fault> {
        match self.rows.find(row) {
            None => {
                return Err(Fault::new(
                    FaultCode::UnknownRow,
                    format!("{:?} is no row of this question", beginning(row)),
                ));
            }
            Some(option) if option.retired => {
                return Err(Fault::new(
                    FaultCode::RetiredOption,
                    format!("the row {row:?} can't be answered any more"),
                ));
            }
            Some(_) => {}
        }
        if !self.multiple {
            return self.columns.live_value(columns, "column").map(|_| ());
        }
        let columns = columns.as_array().ok_or_else(|| {
            Fault::new(FaultCode::WrongType, format!("{row:?} must have a list of columns"))
        })?;
        if columns.is_empty() {
            return Err(Fault::new(FaultCode::TooFew, format!("{row:?} needs a column")));
        }
        let mut seen = BTreeSet::new();
        for column in columns {
            if !seen.insert(self.columns.live_value(column, "column")?) {
                let text = format!("{} is there twice", beginning(&column.to_string()));
                return Err(Fault::new(FaultCode::Duplicate, text));
            }
        }
        Ok(())
    }
}
