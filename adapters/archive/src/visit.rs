//! Reading a file's rows: some or all of them, and some or all columns.

use std::ops::Range;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use portcullis_domain::ids::VendorId;

use crate::open::Opened;
use crate::{ArchiveError, decode};

const BATCH_ROWS: usize = 8_192;

/// Says at which row of the file a row of the batch stands.
pub(crate) type PlaceOf<'a> = &'a dyn Fn(usize) -> usize;

impl Opened {
    /// Visits the rows in `ranges` (sorted, apart; all without), batch by batch.
    pub(crate) fn visit(
        &self,
        ranges: Option<&[Range<usize>]>,
        columns: Option<&[&str]>,
        visit: &mut dyn FnMut(PlaceOf<'_>, &RecordBatch) -> Result<(), decode::Fault>,
    ) -> Result<(), ArchiveError> {
        let all = 0..self.rows();
        let ranges = ranges.unwrap_or(std::slice::from_ref(&all));
        let mut start = 0;
        for group in 0..self.metadata.metadata().num_row_groups() {
            let (begin, end) = (start, start + self.group_rows(group));
            start = end;
            let of_group: Vec<_> = ranges
                .iter()
                .map(|range| range.start.max(begin)..range.end.min(end))
                .filter(|range| range.start < range.end)
                .collect();
            if of_group.is_empty() {
                continue;
            }
            let selection = of_group.iter().map(|range| range.start - begin..range.end - begin);
            let selection = RowSelection::from_consecutive_ranges(selection, end - begin);
            let mut reader = self.reader().with_row_groups(vec![group]).with_batch_size(BATCH_ROWS);
            if let Some(columns) = columns {
                let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
                reader = reader.with_projection(mask);
            }
            let reader = reader.with_row_selection(selection).build().map_err(self.failed())?;
            let mut places = of_group.iter().cloned().flatten();
            for batch in reader {
                let batch = batch.map_err(self.failed())?;
                let of_batch: Vec<_> = places.by_ref().take(batch.num_rows()).collect();
                if of_batch.len() != batch.num_rows() {
                    return Err(ArchiveError::damaged(&self.path, "it has more rows than it says"));
                }
                visit(&|at| of_batch.get(at).copied().unwrap_or_default(), &batch)
                    .map_err(|why| ArchiveError::damaged(&self.path, why))?;
            }
            if places.next().is_some() {
                return Err(ArchiveError::damaged(&self.path, "it has fewer rows than it says"));
            }
        }
        Ok(())
    }

    /// All rows, in their order, decoded as they are asked for.
    pub(crate) fn all<R>(
        self,
        decoded: fn(&RecordBatch) -> Result<Vec<R>, decode::Fault>,
    ) -> Result<impl Iterator<Item = Result<R, ArchiveError>>, ArchiveError> {
        let reader = self.reader().with_batch_size(BATCH_ROWS).build().map_err(self.failed())?;
        Ok(reader.flat_map(move |batch| {
            let rows = batch
                .map_err(self.failed())
                .and_then(|batch| decoded(&batch).map_err(|why| ArchiveError::damaged(&self.path, why)));
            match rows {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        }))
    }

    pub(crate) fn group_rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    fn rows(&self) -> usize {
        (0..self.metadata.metadata().num_row_groups()).map(|group| self.group_rows(group)).sum()
    }

    /// The rows of those pages that may hold one of some vendors; rows are sorted by vendor.
    pub(crate) fn rows_of_vendors(&self, vendors: &[VendorId]) -> Vec<Range<usize>> {
        let metadata = self.metadata.metadata();
        let column = self.metadata.schema().index_of("vendor").unwrap_or_default();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        for group in 0..metadata.num_row_groups() {
            let rows = self.group_rows(group);
            let index = metadata.page_index_for_row_group(group);
            let pages = index.column_index(column).zip(index.page_locations(column));
            match pages {
                Some((ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(pages), places)) => {
                    for (page, place) in places.iter().enumerate() {
                        let edges = pages.min_value(page).zip(pages.max_value(page));
                        let inside = edges.is_some_and(|(first, last)| {
                            let mut wanted = vendors.iter().map(|vendor| vendor.0.as_bytes().as_slice());
                            wanted.any(|wanted| first <= wanted && wanted <= last)
                        });
                        if inside {
                            let next = places.get(page + 1).map(|next| next.first_row_index);
                            let end = next.and_then(|next| usize::try_from(next).ok()).unwrap_or(rows);
                            let begin = usize::try_from(place.first_row_index).unwrap_or(0);
                            ranges.push(start + begin..start + end);
                        }
                    }
                }
                _ => ranges.push(start..start + rows),
            }
            start += rows;
        }
        ranges
    }
}
