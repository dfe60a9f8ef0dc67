//! The bytes of what is on its way between devices.

use crate::readers::Readers;
use sqlx::Row as _;
use uuid::Uuid;
use whimbrel_store::StoreError;

impl Readers {
    pub(crate) async fn transfer_part(
        &self,
        request: Uuid,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(offset) = i64::try_from(offset) else {
            return Ok(None);
        };
        let sql = "SELECT bytes FROM transfer_parts WHERE request = ? AND \"offset\" = ?".to_owned();
        let request = request.as_bytes().to_vec();
        let rows = self.select("reading a transfer", sql, |sql| sql.bind(request).bind(offset));
        let bytes = rows.await?.first().map(|row| row.try_get(0)).transpose();
        bytes.map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}
